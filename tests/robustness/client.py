"""A lean client of `streamer.v1` for load and faults. It holds the server to its word: whatever comes is
checked against the protocol, and what breaks it is kept in `violations`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streamer.errors import CODES
from streamer.protocols.native import subprotocols_for
from streamer.protocols.native.audio import LAST, unpack

DEADLINE_S = 30.0
"""When to call it a hang. Nothing here takes a second by itself."""
QUIET = ("paused", "continued", "done", "interrupted", "error")
"""All that comes of a context that is paused."""
OURS = ("internal_error", "engine_failed")
"""Codes that no client should ever be able to provoke."""


@dataclass
class Heard:
    """What has come of one context."""

    context: str
    started: dict[str, Any] | None = None
    words: list[dict[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    cues: list[dict[str, Any]] = field(default_factory=list)
    """What was told of cues and captions."""
    messages: int = 0
    packets: int = 0
    bytes: int = 0
    end: int = 0
    """Sample after the last packet."""
    last: bool = False
    """The packet that says to be the last has come."""
    ending: dict[str, Any] | None = None
    paused: bool = False

    @property
    def rate(self) -> int:
        assert self.started is not None, f"{self.context} has not started"
        rate: int = self.started["audio"]["sample_rate"]
        return rate

    @property
    def outcome(self) -> str:
        """`done`'s reason, an error's code, else the ending's type."""
        ending = self.ending or {"type": "none"}
        return str(ending.get("reason") or ending.get("code") or ending["type"])

    def check_complete(self) -> None:
        """It was spoken to its end: every packet came."""
        assert self.outcome == "end", f"{self.context}: {self.ending}"
        assert self.ending is not None
        assert self.last, f"{self.context}: no packet says to be the last"
        assert self.ending["samples"] > 0, f"{self.context}: no sound"
        assert self.end >= self.ending["samples"], (
            f"{self.context}: the end of the sound is missing"
        )


class Client:
    """One connection. `heard` holds all contexts by name, also those that ended; a name that is used
    again begins anew, unless `once`: then a message after the ending is a violation.
    """

    def __init__(self, socket_: ClientConnection, *, once: bool) -> None:
        self.socket = socket_
        self.ready: dict[str, Any] = {}
        self.heard: dict[str, Heard] = {}
        self.errors: list[dict[str, Any]] = []
        self.violations: list[str] = []
        self.closed: tuple[int, str] | None = None
        """Close code and reason."""
        self._once = once
        self._streams: dict[int, Heard] = {}
        self._failed = False
        self._change = asyncio.Event()
        self._barriers = 0
        self._reader = asyncio.create_task(self._read())

    # Saying

    async def say(self, **message: Any) -> bool:
        """Send a message; False if the connection is closed."""
        return await self.send(json.dumps(message))

    async def send(self, data: str | bytes, *, text: bool | None = None) -> bool:
        """Send anything; `text` makes a text message of bytes that may not be UTF-8."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self.socket.send(data, text=text)
        except ConnectionClosed:
            return False
        return True

    async def speak(self, context: str, text: str, **options: Any) -> Heard:
        """One utterance to its end, whatever that is."""
        await self.say(type="start", context=context, **options)
        await self.say(type="text", context=context, text=text)
        await self.say(type="end", context=context)
        return await self.ending(context)

    def abort(self) -> None:
        """Reset the connection (RST), as a crash does; no closing handshake, nothing is read any more."""
        transport = self.socket.transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    # Hearing

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something holds. Fails if the connection is closed before, or after a while."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():
                    assert self.closed is None, f"closed {self.closed} before {what}: {self.errors}"
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            raise AssertionError(f"waited {DEADLINE_S:g} s for {what}") from None

    async def ending(self, context: str) -> Heard:
        """The context, once it has ended."""

        def ended() -> bool:
            heard = self.heard.get(context)
            return heard is not None and heard.ending is not None

        await self.until(ended, f"the end of {context}")
        return self.heard[context]

    async def settled(self) -> bool:
        """Whether the server has dealt with all that was said and still hears us: messages are handled
        one by one, and this one asks for a context that does not exist."""
        self._barriers += 1
        name = f"barrier-{self._barriers}"
        await self.say(type="flush", context=name)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while self.closed is None and name not in self.heard:
                    self._change.clear()
                    await self._change.wait()
        except TimeoutError:
            raise AssertionError("the server answers no more") from None
        return self.heard.pop(name, None) is not None

    async def aclose(self) -> None:
        await self.socket.close()
        await self._reader

    def check(self) -> None:
        """Nothing that came broke the protocol, and nothing was the server's own fault."""
        assert not self.violations, self.violations[:5]
        assert self.closed is None or self.closed[0] != 1011, self.closed
        assert not [error for error in self.errors if error["code"] in OURS], self.errors

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self.socket:
                if isinstance(message, bytes):
                    self._packet(message)
                else:
                    self._message(json.loads(message))
                self._change.set()
        self.closed = (self.socket.close_code or 1006, self.socket.close_reason or "")
        self._change.set()

    def _violated(self, what: str) -> None:
        self.violations.append(what)

    def _packet(self, message: bytes) -> None:
        audio = unpack(message)
        heard = self._streams.get(audio.stream) if audio is not None else None
        if audio is None or heard is None:
            self._violated(f"a packet of no live context: {message[:20].hex()}")
            return
        self._sequence(heard, audio.sequence)
        self._sound(heard, audio.packet.pts, audio.packet.duration, audio.flags)
        heard.bytes += len(audio.packet.data)

    def _sound(self, heard: Heard, pts: int, duration: int, flags: int) -> None:
        if heard.packets and pts != heard.end:
            self._violated(f"{heard.context}: packet at {pts}, expected {heard.end}")
        if heard.last:
            self._violated(f"{heard.context}: a packet after the last")
        heard.packets += 1
        heard.end = pts + duration
        heard.last = bool(flags & LAST)

    def _message(self, message: dict[str, Any]) -> None:
        kind, context = message["type"], message.get("context")
        if self._failed:
            self._violated(f"{kind} after an error of the connection")
        if kind == "error":
            self.errors.append(message)
            if message.get("code") not in CODES:
                self._violated(f"untyped error: {message}")
        if kind == "ready":
            self.ready = message
        elif context is None:
            self._failed = kind == "error"
            if not self._failed:
                self._violated(f"{kind} without context")
        else:
            self._of_context(kind, context, message)

    def _of_context(self, kind: str, context: str, message: dict[str, Any]) -> None:
        heard = self.heard.get(context)
        if heard is not None and heard.ending is not None:
            if self._once and message.get("code") != "unknown_context":
                self._violated(f"{kind} of {context} after {heard.outcome}")
            if kind == "error" and message.get("code") == "unknown_context":
                return  # of no context: what ended stays as it was
            heard = None
        if heard is None:
            heard = self.heard[context] = Heard(context)
        self._sequence(heard, message["sequence"])
        if heard.paused and kind not in QUIET:
            self._violated(f"{kind} of {context} within a pause")
        match kind:
            case "paused" | "continued":
                heard.paused = kind == "paused"
            case "started":
                heard.started = message
                self._streams[message["stream"]] = heard
            case "segment":
                heard.segments.append(message)
            case "words":
                heard.words += message["words"]
            case "late" | "skipped" | "caption":
                heard.cues.append(message)
            case "mark":
                heard.marks.append(message)
            case "audio":
                self._sound(heard, message["pts"], message["duration"], message["flags"])
            case "done" | "interrupted" | "error":
                heard.ending = message
                self._streams = {n: h for n, h in self._streams.items() if h is not heard}
            case _:
                self._violated(f"unknown message {kind}")

    def _sequence(self, heard: Heard, sequence: int) -> None:
        if sequence != heard.messages:
            self._violated(f"{heard.context}: sequence {sequence}, expected {heard.messages}")
        heard.messages = sequence + 1


@asynccontextmanager
async def client(
    url: str, *, key: str | None = None, once: bool = False, **options: Any
) -> AsyncIterator[Client]:
    """A connection that has been greeted; closed, and all it heard checked, at the end.

    `url` of the WebSocket; `options` go to `websockets.connect`.
    """
    options.setdefault("ping_interval", None)
    options.setdefault("subprotocols", subprotocols_for(key))
    connection = await connect(url, compression=None, max_size=None, **options)
    one = Client(connection, once=once)
    try:
        await one.until(lambda: one.ready, "ready")
        yield one
    finally:
        await one.aclose()
    one.check()
