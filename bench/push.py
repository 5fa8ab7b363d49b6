"""How many listeners does one server keep in sound? Packets against their play-out times.

First 100 live streams of engine `tone` with the server on one core and the client on another, at a
lead of 200 ms: nothing lost, nothing late. Then: how many live streams of the embedded voice do both
cores carry, client included?
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench._common import arguments, machine, percentile, report
from bench.texts import PARAGRAPH
from bench.wire import Record, Wire, clients
from tests.server_process import ServerProcess, running_server

STREAMS = 100
LEAD_MS = 200
LATE_MS = 60.0
SPREAD_S = 2.0
"""Streams begin one after the other within this time, as listeners do."""
STEP = 1.3
"""Factor from one number of live streams to the next."""
LIMITS = ["--max-connections", "4000", "--key-connections", "4000", "--key-contexts", "4000"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as its listener saw it."""

    lost: int
    """Packets missing, by sequence number, by sample clock, and at the end."""
    late_ms: list[float]
    """How long after its play-out time each packet came; negative is early."""
    first_ms: float


def judge(record: Record) -> Stream:
    """Play-out begins as the first packet comes; from then on each packet is due at its pts."""
    sounds, rate = record.sounds, record.rate
    if not sounds or record.ending.get("type") != "done":
        raise RuntimeError(f"a stream ended by {record.ending}")
    lost = sum(b != a + 1 for a, b in itertools.pairwise(record.sequences))
    lost += sum(b.pts != a.pts + a.duration for a, b in itertools.pairwise(sounds))
    lost += sounds[-1].pts + sounds[-1].duration != record.ending["samples"]
    zero = sounds[0].arrived - sounds[0].pts / rate
    late = [(sound.arrived - zero - sound.pts / rate) * 1000 for sound in sounds]
    return Stream(lost, late, (sounds[0].arrived - record.sent) * 1000)


async def listen(wire: Wire, text: str, wait: float, lead_ms: int) -> Record:
    await asyncio.sleep(wait)
    record = await wire.speak(text, pacing={"lead_ms": lead_ms})
    await record.until("end")
    return record


async def streams(url: str, count: int, text: str, lead_ms: int) -> list[Record]:
    """So many live streams at once, each over its own socket."""
    async with clients(url, count) as wires:
        return await asyncio.gather(
            *(
                listen(wire, text, SPREAD_S * number / count, lead_ms)
                for number, wire in enumerate(wires)
            )
        )


def measure(server: ServerProcess, count: int, text: str, lead_ms: int) -> dict[str, Any]:
    cpu, client, begun = server.cpu_seconds(), time.process_time(), time.perf_counter()
    records = asyncio.run(streams(server.websocket_url, count, text, lead_ms))
    took = time.perf_counter() - begun
    heard = [judge(record) for record in records]
    late = [ms for stream in heard for ms in stream.late_ms]
    lost = sum(stream.lost for stream in heard)
    return {
        "streams": count,
        "lead_ms": lead_ms,
        "packets": len(late),
        "lost": lost,
        "over_60_ms_late": sum(ms > LATE_MS for ms in late),
        "latest_ms": round(max(late), 1),
        "p99_ms": round(percentile(late, 99), 1),
        "first_p50_ms": round(percentile([stream.first_ms for stream in heard], 50), 1),
        "server_cores": round((server.cpu_seconds() - cpu) / took, 2),
        "client_cores": round((time.process_time() - client) / took, 2),
        "met": lost == 0 and max(late) <= LATE_MS,
    }


@contextlib.contextmanager
def pinned(cpus: set[int]) -> Iterator[None]:
    """This process on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def push(seconds: int) -> dict[str, Any]:
    """100 streams of tone, one core each for server and client (the same one where there is one)."""
    cores = sorted(os.sched_getaffinity(0))
    text = " ".join(["word"] * int(seconds / 0.3))
    with running_server("tone", LIMITS, cpus=cores[:1]) as server, pinned({cores[-1]}):
        return measure(server, STREAMS, text, LEAD_MS)


def carry(limit: int) -> list[dict[str, Any]]:
    """Live streams of hibari, more and more until a packet is late or lost."""
    rows: list[dict[str, Any]] = []
    count = 40
    with running_server("hibari", LIMITS) as server:
        measure(server, 4, PARAGRAPH[:100], LEAD_MS)  # warm
        while count <= limit and (not rows or rows[-1]["met"]):
            rows.append(measure(server, count, PARAGRAPH, 1000))
            count = int(count * STEP)
    return rows


def run(seconds: int, limit: int) -> dict[str, Any]:
    pushed, carried = push(seconds), carry(limit)
    return {
        "push": [pushed],
        "live_hibari": carried,
        "live_hibari_streams": max((row["streams"] for row in carried if row["met"]), default=0),
        "machine": machine(),
        "met": pushed["met"],
    }


if __name__ == "__main__":
    chosen = arguments(__doc__, seconds=20, limit=400)
    report(run(chosen.seconds, chosen.limit), as_json=chosen.json)
