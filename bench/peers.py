"""Is first audio sooner here than at the peers? piper's HTTP server and wyoming-piper, interleaved with
ours in the same rounds, on the same machine, with the same texts and the same client process.

Each peer is taken at its best: the first audible sample of whatever it sends, for Wyoming both ways of
sending text. What a peer does not reach within `CAP_S` counts as `CAP_S`, in its favour.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvloop

from bench._common import arguments, machine, percentile, report
from bench.first_audio import CLIENTS, TEXTS, audible_ms, our_records
from bench.hearing import AUDIBLE
from bench.peer_processes import Peer, piper_http, wyoming
from tests.server_process import running_server

TARGETS = {1: 3.5, 4: 5.0, 16: 5.0}
"""How many times sooner our p50 must be than the best peer's."""
CAP_S = 60.0
LOUD = int(AUDIBLE * 32768)
ROUNDS = {("sentence", 1): 5, ("sentence", 4): 3, ("sentence", 16): 2, ("paragraph", 1): 3}
"""How often a peer speaks; once where it takes a minute."""
TOTAL_S = 420.0
"""No round of peers begins later than this after the first."""

Speak = Callable[[Peer, str, float], Awaitable[float]]
"""Text and when the client began, to seconds until its first audible sample."""


def _audible(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(np.int32)
    return bool(np.abs(samples).max(initial=0) > LOUD)


async def speak_http(peer: Peer, text: str, begun: float) -> float:
    """piper answers with one WAV file; its header is 44 bytes after the HTTP header."""
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    body = json.dumps({"text": text}).encode()
    writer.write(
        b"POST /synthesize HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nConnection: close\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"piper: {head!r}")
        await reader.readexactly(44)
        return await _first_audible(_chunks(reader), begun)
    finally:
        writer.close()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole samples, as they come."""
    rest = b""
    while chunk := await reader.read(65536):
        chunk, rest = rest + chunk, b""
        if len(chunk) % 2:
            chunk, rest = chunk[:-1], chunk[-1:]
        yield chunk


async def _first_audible(chunks: AsyncIterator[bytes], begun: float) -> float:
    """Reads to the end, so that the peer is idle again afterwards."""
    first = None
    async for chunk in chunks:
        if first is None and _audible(chunk):
            first = time.perf_counter() - begun
    if first is None:
        raise RuntimeError("the peer said nothing")
    return first


async def speak_wyoming(peer: Peer, text: str, begun: float) -> float:
    """The whole text in one event."""
    return await _wyoming(peer, [("synthesize", {"text": text})], begun)


async def speak_wyoming_streamed(peer: Peer, text: str, begun: float) -> float:
    """Word by word, as a language model writes; all at once, as our text is."""
    pieces = [("synthesize-chunk", {"text": word + " "}) for word in text.split()]
    return await _wyoming(peer, [("synthesize-start", {}), *pieces, ("synthesize-stop", {})], begun)


async def _wyoming(peer: Peer, events: list[tuple[str, dict[str, str]]], begun: float) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port, limit=2**20)
    for kind, data in events:
        writer.write(json.dumps({"type": kind, "data": data}).encode() + b"\n")
    try:
        ending = "synthesize-stopped" if len(events) > 1 else "audio-stop"
        return await _first_audible(_payloads(reader, ending), begun)
    finally:
        writer.close()


async def _payloads(reader: asyncio.StreamReader, ending: str) -> AsyncIterator[bytes]:
    while line := await reader.readline():
        event = json.loads(line)
        await reader.readexactly(event.get("data_length") or 0)
        payload = await reader.readexactly(event.get("payload_length") or 0)
        if event["type"] == "audio-chunk":
            yield payload
        if event["type"] == ending:
            return


@dataclass
class Contender:
    """One way of asking one peer, and what came of it, by text and number of clients."""

    name: str
    peer: Peer
    speak: Speak
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    async def round(self, name: str, count: int) -> None:
        """So many clients at once. A peer that is not done by `CAP_S` is started anew."""
        text = TEXTS[name]
        begun = time.perf_counter()
        tasks = [asyncio.create_task(self._one(text)) for _ in range(count)]
        _, late = await asyncio.wait(tasks, timeout=CAP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        seconds = [CAP_S if task in late else task.result() for task in tasks]
        self.times.setdefault((name, count), []).extend(s * 1000 for s in seconds)
        if late or time.perf_counter() - begun > CAP_S / 2:
            await asyncio.to_thread(self.peer.restart)

    async def _one(self, text: str) -> float:
        return await self.speak(self.peer, text, time.perf_counter())


async def measure(url: str, contenders: list[Contender]) -> list[dict[str, Any]]:
    ours: dict[tuple[str, int], list[float]] = {}
    cells = [(text, count) for text in TEXTS for count in CLIENTS]
    begun = time.perf_counter()
    for cell in cells:
        await our_records(url, TEXTS[cell[0]], cell[1], 1)  # warm, as the peers are
        for number in range(ROUNDS.get(cell, 1)):
            if number and time.perf_counter() - begun > TOTAL_S:
                break
            for contender in contenders:
                records = await our_records(url, TEXTS[cell[0]], cell[1], 2)
                ours.setdefault(cell, []).extend(map(audible_ms, records))
                await contender.round(*cell)
    return [_row(cell, ours[cell], contenders) for cell in cells]


def _row(cell: tuple[str, int], ours: list[float], contenders: list[Contender]) -> dict[str, Any]:
    theirs = {c.name: round(percentile(c.times[cell], 50), 1) for c in contenders}
    p50 = percentile(ours, 50)
    ratio = min(theirs.values()) / p50
    return {
        "text": cell[0],
        "clients": cell[1],
        "ours_p50_ms": round(p50, 1),
        **{f"{name}_p50_ms": value for name, value in theirs.items()},
        "ratio": round(ratio, 2),
        "target": TARGETS[cell[1]],
        "met": ratio >= TARGETS[cell[1]],
    }


def run() -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        http = stack.enter_context(piper_http())
        satellite = stack.enter_context(wyoming())
        server = stack.enter_context(running_server("hibari"))
        contenders = [
            Contender("piper_http", http, speak_http),
            Contender("wyoming", satellite, speak_wyoming),
            Contender("wyoming_streamed", satellite, speak_wyoming_streamed),
        ]
        rows = uvloop.run(measure(server.websocket_url, contenders))
    return {"peers": rows, "machine": machine(), "met": all(row["met"] for row in rows)}


if __name__ == "__main__":
    chosen = arguments(__doc__)
    report(run(), as_json=chosen.json)
