"""What does speech that another makes cost in time? A scripted provider behind the real server.

First audio where the provider answers in 300 ms and then streams its file at 1.2 times real time; how
late the packets of ten sentences are from such a provider (one sentence at a time would pause between
them); and a phrase that has been said before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from bench._common import arguments, machine, median, percentile, report
from bench.hearing import first_audible
from bench.texts import SENTENCE, VARIED
from bench.wire import Record, Wire, connected
from tests.providers.base import KEY, Act, running
from tests.providers.openai import OpenAiProvider
from tests.server_process import running_server

LATENCY_S = 0.3
SPEED = 1.2
OURS_MS = 40.0
"""What of first audio may be ours."""
CACHED_MS = 5.0
LATE_MS = 20.0
"""A packet later than one frame after its play-out time is an underrun."""
TEN = " ".join(VARIED[:10])


def _provide(pipe: Connection) -> None:
    with running(OpenAiProvider()) as provider:
        provider.usually("speech", Act(latency_s=LATENCY_S, speed=SPEED))
        pipe.send(provider.url)
        pipe.recv()


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """The base URL of a provider in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_provide, args=(theirs,))
    process.start()
    try:
        yield str(ours.recv())
    finally:
        ours.send("end")
        process.join(10)


async def spoken(wire: Wire, text: str) -> Record:
    record = await wire.speak(text)
    async with asyncio.timeout(120):
        await record.until("end")
    if record.ending.get("type") != "done":
        raise RuntimeError(f"a context ended by {record.ending}")
    return record


def first_ms(record: Record) -> float:
    sound = first_audible(record)
    if sound is None:
        raise RuntimeError("nothing was heard")
    return (sound.arrived - record.sent) * 1000


def late_ms(record: Record) -> float:
    """The latest packet against its play-out time, where play-out begins with the first."""
    first = record.sounds[0]
    zero = first.arrived - first.pts / record.rate
    return max((each.arrived - zero - each.pts / record.rate) * 1000 for each in record.sounds)


async def first_audio(url: str, rounds: int) -> list[float]:
    """Each round says another text, so that nothing is remembered."""
    async with connected(url) as wire:
        await spoken(wire, "Warm.")
        return [first_ms(await spoken(wire, f"{SENTENCE} {n}")) for n in range(rounds)]


async def ten_sentences(url: str, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        async with connected(url) as wire:
            found.append(late_ms(await spoken(wire, TEN)))
    return found


async def again(url: str, rounds: int) -> list[float]:
    async with connected(url) as wire:
        await spoken(wire, SENTENCE)
        return [first_ms(await spoken(wire, SENTENCE)) for _ in range(rounds)]


def run(rounds: int) -> dict[str, Any]:
    with provider() as url:
        told = json.dumps({"openai": {"url": url, "key": KEY}})
        with running_server("openai", ["--providers", told]) as server:
            firsts = uvloop.run(first_audio(server.websocket_url, rounds))
            late = uvloop.run(ten_sentences(server.websocket_url, 2))
            underruns = server.metrics()["streamer_underruns_total"]
        flags = ["--providers", told, "--cache-bytes", str(1 << 26)]
        with running_server("openai", flags) as server:
            cached = uvloop.run(again(server.websocket_url, rounds))
    limit = 1000 * LATENCY_S + OURS_MS
    result: dict[str, Any] = {
        "first_audio": [
            {
                "provider_ms": 1000 * LATENCY_S,
                "p50_ms": round(median(firsts), 1),
                "p95_ms": round(percentile(firsts, 95), 1),
                "target_ms": limit,
                "met": median(firsts) <= limit,
            }
        ],
        "ten_sentences": [
            {
                "provider_speed": SPEED,
                "latest_ms": round(max(late), 1),
                "underruns": underruns,
                "met": max(late) <= LATE_MS and not underruns,
            }
        ],
        "cached": [
            {
                "p50_ms": round(median(cached), 2),
                "p95_ms": round(percentile(cached, 95), 2),
                "target_ms": CACHED_MS,
                "met": median(cached) <= CACHED_MS,
            }
        ],
    }
    met = all(row["met"] for rows in result.values() for row in rows)
    return {"bench": "hosted", **result, "machine": machine(), "met": met}


if __name__ == "__main__":
    chosen = arguments(__doc__, rounds=10)
    report(run(chosen.rounds), as_json=chosen.json)
