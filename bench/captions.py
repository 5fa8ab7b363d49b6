"""Are captions heard in time: a file of an hour, and live?

The file, made with a seed, is rendered by the embedded voice in this process, and its sound measured: where
each cue is heard, against its time or, where that is told to be late, the end of the one before. Live, cues
come over a real socket at their times, in bursts, with corrections and silence between; a listener plays
packets as they come.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvloop

from bench._common import arguments, machine, percentile, report
from streamer.captions.session import CaptionSession
from streamer.client import connect
from streamer.config import Settings
from streamer.engines.hibari import open_engine
from streamer.types import (
    Audio,
    AudioFormat,
    CueOptions,
    Done,
    Event,
    Late,
    SegmentStarted,
    Skipped,
    Start,
    Started,
    Text,
)
from streamer.voices import Catalogue
from tests.captions.heard import offset, onset
from tests.captions.talk import Said, talk, vtt
from tests.server_process import running_server

TARGET_MS = 50.0
"""A cue of a file begins so near its time, where the one before has ended."""
LIVE_TARGET_MS = 300.0
"""Nineteen of twenty live cues are no later than this."""
MOST_LATE_MS = 3000.0
FEED = 20000
"""Characters of the file that wait at a time."""


@dataclass
class Rendered:
    """All that came of a file."""

    events: list[Event] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    hurried: int = 0

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def render(cues: list[Said], options: CueOptions, codec: str = "pcm_s16le") -> Rendered:
    """A file of these cues, spoken by the embedded voice as fast as that can."""
    engine = open_engine(Settings())
    come = Rendered()
    try:
        start = Start("c", audio=AudioFormat(codec=codec), input="captions", cues=options)
        session = CaptionSession(
            start, catalogue=Catalogue({engine.name: engine}), settings=Settings(), paced=False
        )
        text = vtt(cues)
        wall, cpu = time.perf_counter(), time.process_time()
        fed = 0
        async for event in session.events():
            while fed < len(text) and session.pending < FEED:
                session.text(Text("c", text[fed : fed + 1000]))
                fed += 1000
                if fed >= len(text):
                    session.end()
            if isinstance(event, Audio):
                come.parts.append(event.packet.data)
            else:
                come.events.append(event)
        come.wall_s, come.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        come.hurried = session.hurried
    finally:
        await engine.aclose()
    return come


def of_file(seconds: int, seed: int) -> dict[str, Any]:
    """The figures of a file."""
    cues = talk(seconds, seed)
    come = uvloop.run(render(cues, CueOptions()))
    started, done = come.of(Started)[0], come.of(Done)[0]
    rate = started.audio.sample_rate
    sound = (np.frombuffer(b"".join(come.parts), "<i2") / 32768).astype(np.float32)
    times = {cue.id: cue.start_ms * rate // 1000 for cue in cues}
    late = {one.cue: one.by for one in come.of(Late)}
    segments = come.of(SegmentStarted)
    wrong = [one.cue for one in segments if one.start - times[one.cue] != late.get(one.cue, 0)]
    off = []
    for one in segments:
        if one.cue in late:  # it begins when the one before has ended
            off.append(1000 * (one.start - offset(sound, one.start)) / rate)
        off.append(1000 * (onset(sound, one.start) - one.start) / rate)
    lateness = [1000 * late.get(one.cue, 0) / rate for one in segments]
    exact = done.samples == len(sound) == cues[-1].end_ms * rate // 1000
    return {
        "sound_s": round(len(sound) / rate, 3),
        "cues": len(cues),
        "spoken": len({one.cue for one in segments}),
        "dense": sum(cue.dense for cue in cues),
        "words": sum(len(cue.text.split()) for cue in cues),
        "wall_s": round(come.wall_s, 2),
        "cpu_s": round(come.cpu_s, 2),
        "real_time_factor": round(come.wall_s / (len(sound) / rate), 4),
        "hurried": sum(one.rate > 1 for one in segments),
        "said_again": come.hurried,
        "late": len(late),
        "late_p95_ms": round(percentile(lateness, 95), 1),
        "late_worst_ms": round(max(lateness), 1),
        "skipped": len(come.of(Skipped)),
        "untold": len(wrong),
        "onset_p50_ms": round(percentile(off, 50), 2),
        "onset_worst_ms": round(max(off), 2),
        "target_ms": TARGET_MS,
        "length_exact": exact,
        "met": exact and not wrong and max(off) <= TARGET_MS,
    }


@dataclass(frozen=True)
class Sent:
    """What a captioner sends, and when, in seconds since the clock began."""

    at: float
    id: str
    text: str
    start_ms: float
    end_ms: float


def script(cues: list[Said], seed: int) -> list[Sent]:
    """Most cues at their time; every tenth begins a burst of four, which come together, none more than a
    fifth of a second behind its time; a fifth come a second before, unfinished, and are corrected."""
    chance = random.Random(seed)
    sent: list[Sent] = []
    burst, burst_at = 0, 0.0
    for cue in cues:
        start = cue.start_ms / 1000
        if burst == 0 and chance.random() < 0.1:
            burst, burst_at = 4, start + chance.uniform(0, 0.2)
        at = min(start, burst_at) if burst else start
        if burst and at == burst_at:
            at = burst_at
        burst = max(0, burst - 1)
        words = cue.text.split()
        if chance.random() < 0.2:
            draft = " ".join(words[: max(1, len(words) // 2)])
            sent.append(Sent(max(0, at - 1), cue.id, draft, cue.start_ms, cue.end_ms))
            at = max(0, at - 0.3)
        sent.append(Sent(at, cue.id, cue.text, cue.start_ms, cue.end_ms))
    return sorted(sent, key=lambda one: one.at)


@dataclass
class Listened:
    """`heard` is when a listener has heard the first sample of each packet, `begin` when the clock began, by
    `time.perf_counter`."""

    begin: float = 0.0
    events: list[Event] = field(default_factory=list)
    packets: list[tuple[int, int, float]] = field(default_factory=list)
    """pts, duration, heard."""
    dry_s: float = 0.0
    """For how long in all there was nothing to play."""

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def listen(url: str, sent: list[Sent], audio: str = "opus") -> Listened:
    """Send these over a real socket, and play what comes."""
    come = Listened()
    async with connect(url) as client:
        context = await client.start(input="captions", audio=audio, cues=CueOptions())
        come.begin = time.perf_counter()

        async def send() -> None:
            for one in sent:
                await asyncio.sleep(max(0.0, come.begin + one.at - time.perf_counter()))
                await context.cue(one.text, one.start_ms, one.end_ms, one.id)
            await context.end()

        sending = asyncio.create_task(send())
        played = 0.0
        rate = 0
        async for event in context:
            if isinstance(event, Started):
                rate = event.audio.sample_rate or 0
            if not isinstance(event, Audio):
                come.events.append(event)
                continue
            now = time.perf_counter()
            come.dry_s += max(0.0, now - played) if played else 0.0
            heard = max(now, played)
            come.packets.append((event.packet.pts, event.packet.duration, heard))
            played = heard + event.packet.duration / rate
        await sending
    return come


def of_live(come: Listened, sent: list[Sent]) -> dict[str, Any]:
    """The figures of a listener."""
    rate = come.of(Started)[0].audio.sample_rate
    times: Mapping[str, float] = {one.id: one.start_ms for one in sent}
    late = {one.cue: one.by for one in come.of(Late)}
    skipped = come.of(Skipped)
    first: dict[str, SegmentStarted] = {}
    for one in come.of(SegmentStarted):
        first.setdefault(one.cue, one)
    missing = {*times} - {*first} - {one.cue for one in skipped}
    untold = [
        cue
        for cue, one in first.items()
        if one.start + one.shift - round(times[cue] * rate / 1000) != late.get(cue, 0)
    ]
    told = [1000 * late.get(cue, 0) / rate for cue in first]
    heard = []
    for cue, one in first.items():
        pts, _, at = next(packet for packet in come.packets if packet[0] + packet[1] > one.start)
        heard.append(1000 * (at + (one.start - pts) / rate - come.begin) - times[cue])
    off = [abs(by - said) for by, said in zip(heard, told, strict=True)]
    p95 = percentile(told, 95)
    return {
        "cues": len(times),
        "spoken": len(first),
        "late": len(late),
        "late_p50_ms": round(percentile(told, 50), 1),
        "late_p95_ms": round(p95, 1),
        "late_worst_ms": round(max(told), 1),
        "heard_late_p50_ms": round(percentile(heard, 50), 1),
        "heard_late_p95_ms": round(percentile(heard, 95), 1),
        "heard_late_worst_ms": round(max(heard), 1),
        "heard_not_as_told_p95_ms": round(percentile(off, 95), 1),
        "skipped": [f"{one.cue} {one.reason}" for one in skipped],
        "missing": len(missing),
        "untold": len(untold),
        "dry_ms": round(1000 * come.dry_s, 1),
        "shift_ms": round(1000 * max(one.shift for one in first.values()) / rate, 1),
        "target_p95_ms": LIVE_TARGET_MS,
        "met": p95 <= LIVE_TARGET_MS and max(told) <= MOST_LATE_MS and not missing and not untold,
    }


def live(seconds: int, seed: int) -> dict[str, Any]:
    """A server, a captioner and a listener."""
    sent = script(talk(seconds, seed, dense=0.02), seed)
    with running_server() as server:
        return of_live(uvloop.run(listen(server.websocket_url, sent)), sent)


def run(seconds: int, live_seconds: int, seed: int) -> dict[str, Any]:
    """Both; 0 seconds: not that one."""
    result: dict[str, Any] = {"machine": machine()}
    if seconds:
        result["file"] = of_file(seconds, seed)
    if live_seconds:
        result["live"] = live(live_seconds, seed)
    result["met"] = all(part["met"] for name, part in result.items() if name != "machine")
    return result


if __name__ == "__main__":
    chosen = arguments(__doc__, seconds=3600, live=120, seed=0)
    report(run(chosen.seconds, chosen.live, chosen.seed), as_json=chosen.json)
