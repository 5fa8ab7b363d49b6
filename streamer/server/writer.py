"""The one place where a connection sends: under one lock, each send within its time.

Knows no contexts. A socket that takes nothing for too long is closed with 4001.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from streamer.protocols.base import Close, Output, Server
from streamer.types import Event


class SocketGone(Exception):
    """The socket carries nothing any more."""


class Socket(Protocol):
    """What a connection needs of a WebSocket. `send` waits for buffer space; both raise `SocketGone`."""

    async def send(self, message: str | bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


class Writer:
    """Events through the dialect onto a socket. Hold `lock` around `write`, `put` and `close`."""

    def __init__(self, dialect: Server, timeout_s: float) -> None:
        self.lock = asyncio.Lock()
        self.stalled = False
        """The client has read nothing for too long, and is cut off."""
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._socket: Socket | None = None

    @property
    def attached(self) -> bool:
        return self._socket is not None

    def attach(self, socket: Socket) -> None:
        self._socket = socket

    def detach(self) -> None:
        self._socket = None

    async def write(self, event: Event) -> None:
        """Send what the dialect makes of an event. Raises `SocketGone`."""
        for output in self._dialect.send(event):
            await self.put(output)

    async def put(self, output: Output) -> None:
        """Send one output. Raises `SocketGone`."""
        if self._socket is None:
            raise SocketGone
        if isinstance(output, Close):
            await self.close(output.code, output.reason)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send(output)
        except TimeoutError:
            self.stalled = True
            await self.close(4001, "stalled_reader")
            raise SocketGone from None

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, once; what comes after meets `SocketGone`."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with suppress(SocketGone, TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await socket.close(code, reason)
