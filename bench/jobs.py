"""What do jobs do in a second, and what do live listeners notice of them?

The server is a process, the clients are another. Live streams are measured in turns, with no job about
and while 200 are unfinished, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvloop

from bench._common import arguments, machine, percentile, report
from bench.first_audio import audible_ms
from bench.texts import PARAGRAPH, SENTENCE
from bench.wire import Record, Wire, clients
from tests.server_process import ServerProcess, running_server

VOICES = {"tone": "tone-low", "hibari": "heart"}
JOBS = {"tone": 400, "hibari": 100}
"""Short sentences that are counted, by engine."""
AT_ONCE = 16
"""Requests of jobs under way."""
PENDING = 200
"""Jobs that are unfinished while live streams are measured."""
CLIENTS = (1, 4)
REPEATS = {1: 8, 4: 2}
"""Streams of each client, in each turn: as many of each kind."""
WORSE_MS = 5.0
WAIT_S = 120.0
POLL_S = 0.05


@dataclass
class Cell:
    """All streams of so many clients, with jobs about or without."""

    clients: int
    jobs: bool
    records: list[Record] = field(default_factory=list)

    @property
    def p50(self) -> float:
        return percentile([audible_ms(record) for record in self.records], 50)

    def row(self) -> dict[str, Any]:
        times = [audible_ms(record) for record in self.records]
        return {
            "clients": self.clients,
            "jobs": PENDING if self.jobs else 0,
            "streams": len(times),
            "p50_ms": round(percentile(times, 50), 2),
            "p95_ms": round(percentile(times, 95), 2),
            "late": sum(map(late, self.records)),
        }


def late(record: Record) -> int:
    """Packets that came after their play-out time, where that begins with the first packet."""
    begun = record.sounds[0].arrived - record.sounds[0].pts / record.rate
    return sum(sound.arrived > begun + sound.pts / record.rate for sound in record.sounds[1:])


async def submit(http: httpx.AsyncClient, texts: Sequence[str], voice: str) -> list[str]:
    """Ids of the jobs."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(text: str) -> str:
        async with gate:
            answer = await http.post("/v1/jobs", json={"text": text, "voice": voice})
        answer.raise_for_status()
        return str(answer.json()["id"])

    return await asyncio.gather(*map(one, texts))


def unfinished(server: ServerProcess) -> int:
    metrics = server.metrics()
    return int(sum(metrics[f'streamer_jobs{{status="{s}"}}'] for s in ("queued", "running")))


def finished(server: ServerProcess) -> float:
    return server.metrics().get('streamer_jobs_finished_total{status="completed"}', 0.0)


async def over(server: ServerProcess) -> None:
    """Return when no job is unfinished."""
    for _ in range(round(WAIT_S / POLL_S)):
        if not await asyncio.to_thread(unfinished, server):
            return
        await asyncio.sleep(POLL_S)
    raise RuntimeError("the jobs don't come to an end")


async def throughput(server: ServerProcess, http: httpx.AsyncClient, engine: str) -> dict[str, Any]:
    """How long it takes from the first request to the end of the last job."""
    begun = time.perf_counter()
    ids = await submit(http, [SENTENCE] * JOBS[engine], VOICES[engine])
    accepted = time.perf_counter() - begun
    await over(server)
    took = time.perf_counter() - begun
    job = (await http.get(f"/v1/jobs/{ids[-1]}")).json()
    if job["status"] != "completed":
        raise RuntimeError(f"a job ended {job['status']}")
    return {
        "engine": engine,
        "jobs": len(ids),
        "accepted_per_s": round(len(ids) / accepted, 1),
        "finished_per_s": round(len(ids) / took, 1),
        "sound_per_s": round(len(ids) * job["results"][0]["audio_ms"] / 1000 / took, 1),
    }


async def stream(wires: list[Wire]) -> list[Record]:
    """Every client hears the sentence to its end, all from the same moment on."""

    async def one(wire: Wire) -> Record:
        record = await wire.speak(SENTENCE, voice=VOICES["hibari"])
        await record.until("end")
        return record

    async with asyncio.timeout(WAIT_S):
        return list(await asyncio.gather(*map(one, wires)))


async def turn(server: ServerProcess, http: httpx.AsyncClient, cells: list[Cell]) -> float:
    """Measure all cells, which are of one kind. Jobs finished in a second meanwhile."""
    ids: list[str] = []
    if cells[0].jobs:
        ids = await submit(http, [PARAGRAPH] * PENDING, VOICES["hibari"])
    before, begun = finished(server), time.perf_counter()
    for cell in cells:
        async with clients(server.websocket_url, cell.clients) as wires:
            for _ in range(REPEATS[cell.clients] + 1):
                records = await stream(wires)
                if len(wires[0].records) > 1:  # the first of each socket warms it up
                    cell.records += records
    rate = (finished(server) - before) / (time.perf_counter() - begun)
    if ids:
        if not unfinished(server):
            raise RuntimeError("the jobs were over before the streams")
        for id in ids:
            (await http.delete(f"/v1/jobs/{id}")).raise_for_status()
    return rate


async def measure(server: ServerProcess, rounds: int) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False) as http:
        speeds = [await throughput(server, http, engine) for engine in VOICES]
        quiet = [Cell(count, False) for count in CLIENTS]
        busy = [Cell(count, True) for count in CLIENTS]
        rates: list[float] = []
        for _ in range(rounds):
            await turn(server, http, quiet)
            rates.append(await turn(server, http, busy))
    worse = [b.p50 - q.p50 for q, b in zip(quiet, busy, strict=True)]
    rows = [cell.row() for pair in zip(quiet, busy, strict=True) for cell in pair]
    underruns = server.metrics()["streamer_underruns_total"]
    checks = {
        "first_audio": all(ms <= WORSE_MS for ms in worse),
        "no_underrun": underruns == 0 and not any(row["late"] for row in rows),
    }
    return {
        "jobs": speeds,
        "live": rows,
        "p50_worse_ms": [round(ms, 2) for ms in worse],
        "underruns": int(underruns),
        "paragraph_jobs_per_s_beside_live_streams": round(sum(rates) / len(rates), 2),
        "checks": checks,
        "machine": machine("hibari-tts", "onnxruntime"),
        "met": all(checks.values()),
    }


def run(rounds: int) -> dict[str, Any]:
    with running_server("hibari,tone") as server:
        return uvloop.run(measure(server, rounds))


if __name__ == "__main__":
    chosen = arguments(__doc__, rounds=3)
    report(run(chosen.rounds), as_json=chosen.json)
