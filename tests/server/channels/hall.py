"""A server of tones with a short-lived channel, and who speaks and listens there."""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from websockets.asyncio.client import ClientConnection

from streamer.engines.tone import Tone
from streamer.server.resources import Resources
from streamer.server.run import sessions
from streamer.voices import Catalogue
from tests.server.running import Running, running, say, settings_for

LINGER_S = 0.4
HEADER = struct.Struct(">BBHIqI")
ENDINGS = {"done", "interrupted", "error"}


@dataclass(frozen=True)
class Got:
    """One packet."""

    flags: int
    pts: int
    duration: int
    data: bytes


@dataclass
class Heard:
    """All that one context was told."""

    told: list[dict[str, Any]] = field(default_factory=list)
    packets: list[Got] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message["type"] == kind]

    @property
    def words(self) -> list[tuple[str, float, float, int]]:
        return [
            (word["text"], word["start_ms"], word["end_ms"], word["offset"])
            for message in self.of("words")
            for word in message["words"]
        ]

    @property
    def by_pts(self) -> dict[int, bytes]:
        return {packet.pts: packet.data for packet in self.packets}


class Seat:
    """One WebSocket: `heard` by context. `read` in the background, or `until` something came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: dict[str, Heard] = {}
        self._streams: dict[int, str] = {}

    async def say(self, **message: Any) -> None:
        await say(self.socket, **message)

    async def listen(self, context: str, **options: Any) -> None:
        """Subscribe to "hall", and wait until it is answered."""
        await self.say(type="subscribe", context=context, channel="hall", **options)
        await self.until(context, "started")

    async def publish(self, context: str, text: str = "", **options: Any) -> None:
        await self.say(type="start", context=context, channel="hall", **options)
        if text:
            await self.say(type="text", context=context, text=text)

    async def next(self) -> tuple[str, str]:
        """One message: its context, and its kind."""
        async with asyncio.timeout(15):
            message = await self.socket.recv()
        if isinstance(message, bytes):
            _, flags, stream, _, pts, duration = HEADER.unpack_from(message)
            context = self._streams[stream]
            got = Got(flags, pts, duration, message[HEADER.size :])
            self.heard[context].packets.append(got)
            return context, "packet"
        told = json.loads(message)
        context = told.get("context", "")
        if told["type"] == "started":
            self._streams[told["stream"]] = context
            self.heard[context] = Heard()
        self.heard.setdefault(context, Heard()).told.append(told)
        return context, told["type"]

    async def words(self, context: str, count: int) -> None:
        """Read on until it was told so many."""
        while len(self.heard[context].words) < count:
            _, kind = await self.next()
            assert kind != "error", self.heard

    async def until(self, context: str, *kinds: str) -> Heard:
        """Read on until the context is told one of these; what it heard so far."""
        while True:
            name, kind = await self.next()
            if name == context and kind in kinds:
                return self.heard[context]

    async def over(self, *contexts: str) -> None:
        """Until all of these have ended."""
        left = {
            context
            for context in contexts
            if not (self.heard.get(context) and self.heard[context].told[-1]["type"] in ENDINGS)
        }
        while left:
            context, kind = await self.next()
            if kind in ENDINGS:
                left.discard(context)


@asynccontextmanager
async def hall(
    directory: Path, change: Callable[[Resources], Resources] | None = None, **changes: Any
) -> AsyncIterator[Running]:
    """A server that speaks tones."""
    changes.setdefault("channel_linger_s", LINGER_S)
    catalogue = Catalogue({"tone": Tone()})
    opens = sessions(settings_for(directory, **changes), catalogue)
    async with running(
        directory, catalogue=catalogue, sessions=opens, change=change, **changes
    ) as server:
        yield server
    counters = server.service.ledger.counters
    assert counters.channels == 0
    assert counters.channel_listeners == 0
    assert counters.channel_encoders == 0


@asynccontextmanager
async def seated(server: Running, *, key: str | None = None, path: str = "") -> AsyncIterator[Seat]:
    """A WebSocket."""
    options: dict[str, Any] = {"path": path} if path else {}
    async with server.socket(key=key, max_queue=None, **options) as socket:
        seat = Seat(socket)
        await seat.next()
        yield seat


def decoded(data: bytes, kind: str) -> tuple[int, int]:
    """How many samples a decoder that knows only the bytes makes of them, and their rate."""
    with av.open(io.BytesIO(data), "r", format=kind) as container:
        frames = list(container.decode(audio=0))
    return sum(frame.samples for frame in frames), frames[0].sample_rate
