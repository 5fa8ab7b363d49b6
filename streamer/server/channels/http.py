"""`GET /v1/listen/{channel}.mp3|.ogg|.aac|.vtt`: a channel in a plain `<audio>` tag, and its captions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from starlette.types import Message, Receive, Scope, Send

from streamer.audio.formats import CODECS
from streamer.errors import NotFound, StalledReader, StreamerError
from streamer.protocols.strict import Schema
from streamer.server.auth import Key
from streamer.server.channels.channel import Channel
from streamer.server.channels.formats import FORMATS
from streamer.server.channels.place import Place
from streamer.server.limits import Slot
from streamer.server.logs import CutShort
from streamer.server.meter import Meter
from streamer.server.speech import ClientGone, while_listening
from streamer.text.captions.writer import VTT, VttWriter
from streamer.types import AudioFormat, Caption

HEADERS = {"cache-control": "no-store", "accept-ranges": "none"}
BACK_MS = 1000.0
"""A player wants so much at once, or it waits for more before it begins."""
QUIET_S = 15.0
"""Captions may be rare: something is said so often, for proxies that close what says nothing."""
PIECE = 1 << 16
"""Bytes sent at once to who joins a while back: about what a transport holds."""
NOTE = b"NOTE\n\n"


class _Query(msgspec.Struct, forbid_unknown_fields=True):
    back_ms: Annotated[float, msgspec.Meta(ge=0, le=300000)] | None = None
    start_ms: Annotated[float, msgspec.Meta(ge=0, le=1e13)] | None = None
    token: str = ""


QUERY: Schema[_Query] = Schema(_Query)


def audio_of(kind: str) -> AudioFormat | None:
    """The format that an ending stands for; None: captions. Raises `NotFound`."""
    if kind != "vtt" and kind not in FORMATS:
        raise NotFound(
            f"a channel is heard as {', '.join(FORMATS)} or read as vtt", param="channel"
        )
    return FORMATS.get(kind)


def since_of(query: _Query, channel: Channel) -> int:
    """The sample that is asked for."""
    if query.start_ms is not None:
        return channel.at_ms(query.start_ms)
    return channel.back(BACK_MS if query.back_ms is None else query.back_ms)


class Listening:
    """An ASGI answer that goes on for as long as the channel does. To the server it is a connection."""

    status = 200

    def __init__(
        self, place: Place, meter: Meter, slot: Slot, timeout_s: float, connections: set[Any]
    ) -> None:
        self.headers = {
            "content-type": mime_of(place.audio),
            **HEADERS,
            "x-streamer-start-ms": f"{1000 * place.begins / place.channel.rate:.3f}",
        }
        self._place = place
        self._meter = meter
        self._slot = slot
        self._timeout_s = timeout_s
        self._connections = connections
        self._task: asyncio.Task[Any] | None = None
        self._error: StreamerError | None = None
        self._stopping = False
        self._over = asyncio.Event()
        connections.add(self)

    @property
    def key(self) -> Key:
        """The key or token it came with."""
        return self._meter.key

    async def fail(self, error: StreamerError) -> None:
        """Cut it."""
        self._error = error
        self._stop()

    async def drain(self) -> None:
        """Wait until the channel ends."""
        await self._over.wait()

    async def finish(self) -> None:
        """End it now."""
        self._stop()
        await self._over.wait()

    def _stop(self) -> None:
        self._stopping = True
        if self._task is not None:
            self._task.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises `CutShort` where the listener was too slow, or may listen no more."""
        try:
            headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            await while_listening(receive, self._work(send))
        except ClientGone:
            return
        except StreamerError as error:
            self._error = error
        finally:
            self.free()
        if self._error is not None:
            self._meter.error(self._error)
            if isinstance(self._error, StalledReader):
                self._meter.ledger.counters.channel_listeners_cut += 1
            abort = scope.get("extensions", {}).get("streamer.abort")
            if abort is not None:  # what its buffer holds nobody reads
                abort()
            raise CutShort

    def free(self) -> None:
        """It listens no more."""
        self._place.leave()
        self._slot.release()
        self._connections.discard(self)
        self._over.set()

    async def _work(self, send: Send) -> None:
        self._task = asyncio.current_task()
        pieces = self._text() if self._place.audio is None else self._sound()
        try:
            async with aclosing(pieces):
                if not self._stopping:
                    async for piece in pieces:
                        await self._put(send, piece, more=True)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        if self._error is None:
            await self._put(send, b"", more=False)

    async def _put(self, send: Send, piece: bytes, *, more: bool) -> None:
        message: Message = {"type": "http.response.body", "body": piece, "more_body": more}
        try:
            async with asyncio.timeout(self._timeout_s):
                await send(message)
        except TimeoutError:
            raise StalledReader("the client reads too slowly") from None

    async def _sound(self) -> AsyncGenerator[bytes, None]:
        place = self._place
        head = place.stream.encoder.head
        while (burst := await place.more()) is not None:
            pieces = [head, place.take(burst)] if head else [place.take(burst)]
            head = b""
            while sum(map(len, pieces)) < PIECE and (burst := place.at_hand()) is not None:
                pieces.append(place.take(burst))
            yield pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if len(pieces) > 1:
                await asyncio.sleep(0)

    async def _text(self) -> AsyncGenerator[bytes, None]:
        place, channel = self._place, self._place.channel
        writer = VttWriter(channel.rate)
        yield writer.head().encode()
        while True:
            over = channel.over
            told = [item.event for item in place.told()]
            text = "".join(writer.push(event) for event in told if isinstance(event, Caption))
            if text:
                yield text.encode()
            if over:
                return
            try:
                async with asyncio.timeout(QUIET_S):
                    await place.captions()
            except TimeoutError:
                yield NOTE


def mime_of(audio: AudioFormat | None) -> str:
    """The type of a channel that is heard so, or read (None)."""
    return VTT if audio is None else CODECS[audio.codec].mime(audio)
