"""After a pause, how soon does a listener hear the word again, and is the engine asked for it?

The embedded voice speaks a paragraph over a real socket; in the middle of it the listener pauses, waits,
and continues. Measured at the client: from `continue` sent to the first packet, to the packet that holds
the word's first 5 ms, and from `pause` sent to `paused`. The engine notes when it is called.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench._common import arguments, machine, percentile, report
from bench._counting import NOTES, notes
from bench.texts import PARAGRAPH
from bench.wire import Record, Sound, Wire, connected
from tests.server_process import running_server

TARGET_MS = 20.0
WAIT_S = 30.0
FADE_S = 0.005


@dataclass
class Figures:
    """In ms; and when each was waited for, in seconds of `time.perf_counter`."""

    paused: list[float] = field(default_factory=list)
    packet: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    between: list[tuple[float, float]] = field(default_factory=list)


async def told(record: Record, count: int) -> dict[str, Any]:
    """What came of the last pause or continue."""
    async with asyncio.timeout(WAIT_S):
        while len(record.pauses) < count:
            record.changed.clear()
            await record.changed.wait()
    return record.pauses[-1]


async def first(record: Record, known: int, end: int) -> tuple[Sound, Sound]:
    """The first packet behind the known ones, and the first that goes beyond `end`."""
    async with asyncio.timeout(WAIT_S):
        while True:
            come = record.sounds[known:]
            beyond = [sound for sound in come if sound.pts + sound.duration > end]
            if beyond:
                return come[0], beyond[0]
            record.changed.clear()
            await record.changed.wait()


async def listen(
    wire: Wire, audio: dict[str, Any], figures: Figures, chance: random.Random
) -> None:
    """Speak, pause and continue three times, cancel."""
    record = await wire.speak(PARAGRAPH, audio=audio)
    async with asyncio.timeout(WAIT_S):
        await record.until("sound")
    for number in range(3):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        begin = time.perf_counter()
        await wire.send("pause", context=record.context)
        paused = await told(record, 2 * number + 1)
        figures.paused.append((time.perf_counter() - begin) * 1000)
        assert paused["type"] == "paused", paused
        known = len(record.sounds)
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        assert len(record.sounds) == known, "something was sent while it was paused"
        end = record.sounds[-1].pts + record.sounds[-1].duration
        begin = time.perf_counter()
        await wire.send("continue", context=record.context)
        packet, sound = await first(record, known, end + round(FADE_S * record.rate))
        assert packet.pts == end
        figures.packet.append((packet.arrived - begin) * 1000)
        figures.sound.append((sound.arrived - begin) * 1000)
        figures.between.append((begin, sound.arrived))
    await wire.send("cancel", context=record.context)
    async with asyncio.timeout(WAIT_S):
        await record.until("end")


async def measure(url: str, audio: dict[str, Any], rounds: int) -> Figures:
    figures, chance = Figures(), random.Random(0)
    async with connected(url) as wire:
        for _ in range(rounds):
            await listen(wire, audio, figures, chance)
    return figures


def _row(codec: str, figures: Figures, calls: list[float]) -> dict[str, Any]:
    asked = sum(begin <= call <= end for call in calls for begin, end in figures.between)
    p50, p95 = percentile(figures.sound, 50), percentile(figures.sound, 95)
    return {
        "codec": codec,
        "pauses": len(figures.sound),
        "paused_p50_ms": round(percentile(figures.paused, 50), 2),
        "packet_p50_ms": round(percentile(figures.packet, 50), 2),
        "packet_p95_ms": round(percentile(figures.packet, 95), 2),
        "sound_p50_ms": round(p50, 2),
        "sound_p95_ms": round(p95, 2),
        "engine_calls": asked,
        "target_ms": TARGET_MS,
        "met": p95 <= TARGET_MS and asked == 0,
    }


def run(rounds: int) -> dict[str, Any]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="streamer-") as directory:
        path = Path(directory) / "calls"
        os.environ[NOTES] = str(path)
        with running_server("bench._counting:open_counting") as server:
            for codec in ("opus", "pcm_s16le", "mp3"):
                figures = uvloop.run(measure(server.websocket_url, {"codec": codec}, rounds))
                rows.append(_row(codec, figures, notes(path)))
        assert notes(path), "the engine was never called"
    return {"continue": rows, "machine": machine(), "met": all(row["met"] for row in rows)}


if __name__ == "__main__":
    chosen = arguments(__doc__, rounds=8)
    report(run(chosen.rounds), as_json=chosen.json)
