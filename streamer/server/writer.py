"""The one place where a connection sends: under one lock, each send within its time.

Knows no contexts. A socket that takes nothing for too long is closed with 4001.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from streamer.protocols.base import Close, Output, Server
from streamer.server.ring import Ring
from streamer.types import Event

TAKE_OVER_S = 1.0
"""How long the socket that is taken over may take to be closed."""
MESSAGES_PER_TURN = 32
"""Messages sent again before the loop gets a turn even if no send had to wait."""


class SocketGone(Exception):
    """The socket carries nothing any more."""


class Socket(Protocol):
    """What a connection needs of a WebSocket. `send` waits for buffer space; both raise `SocketGone`."""

    async def send(self, message: str | bytes) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


async def close_for_another(socket: Socket) -> None:
    """Close the socket of a session that goes on over another one."""
    with suppress(SocketGone, TimeoutError):
        async with asyncio.timeout(TAKE_OVER_S):
            await socket.close(4003, "resumed")


class Writer:
    """Events through the dialect onto a socket. Hold `lock` around `write`, `put`, `resend` and `close`.

    One that `waits` never says that the socket is gone, until it is detached: what goes into a ring comes
    to the next socket, all else is lost.
    """

    def __init__(self, dialect: Server, timeout_s: float, *, waits: bool = False) -> None:
        self.lock = asyncio.Lock()
        self.stalled = False
        """The client has read nothing for too long, and is cut off."""
        self._dialect = dialect
        self._timeout_s = timeout_s
        self._waits = waits
        self._socket: Socket | None = None
        self._sending: asyncio.Timeout | None = None
        self._reachable = asyncio.Event()

    @property
    def attached(self) -> bool:
        return self._socket is not None

    def attach(self, socket: Socket) -> None:
        self._socket = socket
        self._reachable.set()

    def detach(self) -> None:
        """For good."""
        self._socket = None
        self._waits = False
        self._reachable.set()

    def release(self) -> None:
        """Let go of the socket, another may come; a send that is stuck in it is given up."""
        self._lose()
        if self._sending is not None and not self._sending.expired():
            self._sending.reschedule(asyncio.get_running_loop().time())

    async def room(self, ring: Ring) -> None:
        """Wait until the ring takes more, or there is a socket."""
        if ring.full:
            await self._reachable.wait()

    async def write(self, event: Event, ring: Ring | None = None) -> None:
        """Send what the dialect makes of an event, and keep it in the ring. Raises `SocketGone`."""
        for output in self._dialect.send(event):
            if ring is not None and not isinstance(output, Close):
                ring.keep(event, output)
                if self._socket is not None:
                    ring.hand(ring.next - 1)
            await self.put(output)

    def drop(self, event: Event) -> None:
        """The dialect is told, the client is not."""
        self._dialect.send(event)

    async def resend(self, missed: Iterable[tuple[Ring, int]]) -> None:
        """Everything of these rings from these sequence numbers on, as long as the socket lasts."""
        turn, socket = 0, self._socket
        for ring, first in missed:
            for sequence, message in ring.since(first):
                if self._socket is None or self._socket is not socket:
                    return
                ring.hand(sequence)
                await self.put(message)
                turn += 1
                if turn % MESSAGES_PER_TURN == 0:
                    await asyncio.sleep(0)

    async def put(self, output: Output) -> None:
        """Send one output. Raises `SocketGone`."""
        socket = self._socket
        if socket is None:
            if self._waits:
                return
            raise SocketGone
        if isinstance(output, Close):
            await self.close(output.code, output.reason)
            return
        try:
            async with asyncio.timeout(self._timeout_s) as self._sending:
                await socket.send(output)
        except TimeoutError:
            if self._waits and self._socket is not socket:
                return
            self.stalled = True
            await self.close(4001, "stalled_reader")
            if not self._waits:
                raise SocketGone from None
        except SocketGone:
            if not self._waits:
                raise
            if self._socket is socket:
                self._lose()
        finally:
            self._sending = None

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, once; what comes after meets `SocketGone`."""
        socket = self._socket
        self._lose()
        if socket is not None:
            with suppress(SocketGone, TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await socket.close(code, reason)

    def _lose(self) -> None:
        self._socket = None
        self._reachable.clear()
