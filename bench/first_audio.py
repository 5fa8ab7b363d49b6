"""How long after text was sent does a listener hear something? Over real sockets, audible sound only.

The server is a process, the clients are another, and the engine alone is measured in a third in the
same rounds while the server idles, for the very text that the server cut as its first segment: e is its
time for that segment, and the targets are set against it; its time to the segment's first sound is less,
as it hands sound on before the segment is done, and is told beside it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench._common import arguments, machine, median, percentile, report
from bench.engine_alone import EngineAlone
from bench.hearing import first_audible
from bench.texts import PARAGRAPH, SENTENCE
from bench.wire import Record, Wire, clients
from tests.server_process import running_server

TEXTS = {"sentence": SENTENCE, "paragraph": PARAGRAPH}
CLIENTS = (1, 4, 16)
TARGETS = {1: (1.0, 3.0), 4: (2.5, 10.0), 16: (8.0, 20.0)}
"""p50 at most a * e + b ms."""
REPEATS = {1: 6, 4: 2, 16: 1}
"""How often a round measures so many clients: enough samples of each."""
HEARD_S = 0.4
"""So much sound of every client is waited for; then the contexts are cancelled."""
WAIT_S = 60.0


@dataclass
class Cell:
    """All figures of one text at one number of clients, in ms."""

    text: str
    clients: int
    times: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    """The server's own `first_audio_ms` of the same contexts: the rest is sockets and the client."""


async def start_at_once(wires: list[Wire], text: str) -> list[Record]:
    """Every client says the text now. Returns when each has heard something, and none speaks on."""

    async def one(wire: Wire) -> Record:
        record = await wire.speak(text)
        async with asyncio.timeout(WAIT_S):
            await record.until(HEARD_S)
        return record

    records = await asyncio.gather(*(one(wire) for wire in wires))
    for wire, record in zip(wires, records, strict=True):
        if not record.ending:
            await wire.send("cancel", context=record.context)
    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(*(record.until("end") for record in records))
    return records


def audible_ms(record: Record) -> float:
    """From the text sent to the packet that holds the first audible sample."""
    sound = first_audible(record)
    if sound is None:
        raise RuntimeError(f"nothing was heard: {record.ending}")
    return (sound.arrived - record.sent) * 1000


async def our_records(url: str, text: str, count: int, repeats: int) -> list[Record]:
    """What every client heard, `repeats` times."""
    records = []
    async with clients(url, count) as wires:
        for _ in range(repeats):
            records += await start_at_once(wires, text)
    return records


async def first_segment(url: str, text: str) -> str:
    """The text that the server makes its first segment; warms the server up as well."""
    async with clients(url, 16) as wires:
        records = await start_at_once(wires, text)
    return str(records[0].segments[0]["text"])


async def measure(url: str, engine: EngineAlone, rounds: int) -> list[dict[str, Any]]:
    cells = [Cell(text, count) for text in TEXTS for count in CLIENTS]
    first = {name: await first_segment(url, text) for name, text in TEXTS.items()}
    alone: dict[str, list[tuple[float, float]]] = {name: [] for name in TEXTS}
    for _ in range(rounds):
        for cell in cells:
            if cell.clients == CLIENTS[0]:
                alone[cell.text] += await asyncio.to_thread(engine.measure, first[cell.text], 6)
            text, repeats = TEXTS[cell.text], REPEATS[cell.clients]
            records = await our_records(url, text, cell.clients, repeats)
            cell.times += map(audible_ms, records)
            cell.told += (float(record.ending["first_audio_ms"]) for record in records)
    return [_row(cell, first[cell.text], alone[cell.text]) for cell in cells]


def _row(cell: Cell, segment: str, alone: list[tuple[float, float]]) -> dict[str, Any]:
    e_first, e = (median(list(times)) for times in zip(*alone, strict=True))
    factor, plus = TARGETS[cell.clients]
    p50, limit = percentile(cell.times, 50), factor * e + plus
    return {
        "text": cell.text,
        "first_segment_words": len(segment.split()),
        "clients": cell.clients,
        "samples": len(cell.times),
        "p50_ms": round(p50, 2),
        "p95_ms": round(percentile(cell.times, 95), 2),
        "server_p50_ms": round(percentile(cell.told, 50), 2),
        "e_ms": round(e, 2),
        "e_first_sound_ms": round(e_first, 2),
        "target_ms": round(limit, 2),
        "met": p50 <= limit,
    }


def run(rounds: int) -> dict[str, Any]:
    with running_server("hibari") as server:
        engine = EngineAlone("hibari")
        try:
            rows = uvloop.run(measure(server.websocket_url, engine, rounds))
        finally:
            engine.close()
    return {"first_audio": rows, "machine": machine(), "met": all(row["met"] for row in rows)}


if __name__ == "__main__":
    chosen = arguments(__doc__, rounds=6)
    report(run(chosen.rounds), as_json=chosen.json)
