"""A lean client of `streamer.v1` that keeps what came and when: for measuring and for tests.

Written from docs/protocol.md alone, with none of the server's code, so that a mistake in one is not
hidden by the same mistake in the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("streamer.v1")
HEADER = struct.Struct(">BBHIqI")
"""kind, flags, stream, sequence, pts, duration."""
FIRST, LAST = 1, 2
ENDINGS = ("done", "interrupted", "error")


@dataclass(frozen=True, slots=True)
class Sound:
    """One binary audio message. `pts` and `duration` in samples at the output rate."""

    arrived: float
    flags: int
    sequence: int
    pts: int
    duration: int
    data: bytes


@dataclass(slots=True)
class Record:
    """All that came of one context. Times are `time.perf_counter` seconds."""

    context: str
    sent: float = 0.0
    started: dict[str, Any] = field(default_factory=dict)
    segments: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    timings: set[str] = field(default_factory=set)
    """How exact the times of those words are said to be."""
    sounds: list[Sound] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    pauses: list[dict[str, Any]] = field(default_factory=list)
    """What was told of pauses and of going on."""
    ending: dict[str, Any] = field(default_factory=dict)
    late: list[str | bytes] = field(default_factory=list)
    """What came after the ending; there must be nothing."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rate(self) -> int:
        return int(self.started["audio"]["sample_rate"])

    @property
    def received(self) -> float:
        """Seconds of sound that have come."""
        last = self.sounds[-1] if self.sounds else None
        return (last.pts + last.duration) / self.rate if last else 0.0

    async def until(self, condition: str | float) -> None:
        """Wait for the ending ("end"), for the first packet ("sound"), or for so many seconds of
        sound; the ending ends every wait."""
        while not self.ending:
            if condition == "sound" and self.sounds:
                return
            if isinstance(condition, float) and self.received >= condition:
                return
            self.changed.clear()
            await self.changed.wait()


class Wire:
    """One WebSocket and the records of its contexts."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ready: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []
        """Errors without a context."""
        self.records: dict[str, Record] = {}
        self.closed = asyncio.Event()
        self._streams: dict[int, Record] = {}
        self._names = itertools.count()

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def speak(self, text: str | Iterable[str], *, end: bool = True, **options: Any) -> Record:
        """Start a context, send its text (whole or in pieces) and, by default, its end."""
        record = Record(options.pop("context", None) or f"c{next(self._names)}")
        self.records[record.context] = record
        record.sent = time.perf_counter()
        await self.send("start", context=record.context, **options)
        for piece in [text] if isinstance(text, str) else text:
            await self.send("text", context=record.context, text=piece)
        if end:
            await self.send("end", context=record.context)
        return record

    async def read(self) -> None:
        """Sort what comes into the records until the socket closes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._receive(await self.socket.recv(), time.perf_counter())
        self.closed.set()
        for record in self.records.values():
            record.ending = record.ending or {"type": "closed", "code": self.socket.close_code}
            record.changed.set()

    def _receive(self, message: str | bytes, arrived: float) -> None:
        if isinstance(message, bytes):
            kind, flags, stream, sequence, pts, duration = HEADER.unpack_from(message)
            record = self._streams[stream]
            if record.ending:
                record.late.append(message)
            elif kind == 1:
                data = message[HEADER.size :]
                record.sounds.append(Sound(arrived, flags, sequence, pts, duration, data))
                record.sequences.append(sequence)
            record.changed.set()
            return
        fields = json.loads(message)
        found = self.records.get(fields.get("context", ""))
        if found is None:
            self._of_connection(fields)
        elif found.ending:
            found.late.append(message)
        else:
            self._of_context(found, fields)
            found.changed.set()

    def _of_connection(self, fields: dict[str, Any]) -> None:
        if fields["type"] == "ready":
            self.ready = fields
        elif fields["type"] == "error":
            self.errors.append(fields)

    def _of_context(self, record: Record, fields: dict[str, Any]) -> None:
        record.sequences.append(fields.get("sequence", -1))
        match fields["type"]:
            case "started":
                record.started = fields
                self._streams[fields["stream"]] = record
            case "segment":
                record.segments.append(fields)
            case "words":
                record.words += fields["words"]
                record.timings.add(fields["timing"])
            case "paused" | "continued":
                record.pauses.append(fields)
            case kind if kind in ENDINGS:
                record.ending = fields


@contextlib.asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Wire]:
    """A socket that is read in the background."""
    async with connect(
        url, subprotocols=[PROTOCOL], compression=None, max_queue=None, proxy=None, **options
    ) as socket:
        wire = Wire(socket)
        reader = asyncio.create_task(wire.read())
        try:
            yield wire
        finally:
            await socket.close()
            await reader


@contextlib.asynccontextmanager
async def clients(url: str, count: int) -> AsyncIterator[list[Wire]]:
    """So many sockets at once."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(url)) for _ in range(count)]
