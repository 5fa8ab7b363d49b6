"""What of a WebSocket outlives its socket: tasks under way, and answers that found nobody."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from streamer.server.websocket import AsgiSocket
from streamer.server.writer import SocketGone

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Begins a task that ends with the server."""
KEPT_S = 120.0
"""How long a session waits for its client to come back."""
KEPT_BYTES = 64 << 20
"""Most that the sessions of a key hold for clients that are away, and one for a client that is there;
results that find no room can be polled."""


class Session:
    """One client. Whatever was said goes out in order, to the socket that is attached or to the next."""

    def __init__(self, key: str, send_timeout_s: float, spawn: Spawn, held: Counter[str]) -> None:
        """`held`: the bytes that all sessions hold, by key."""
        self.id = str(uuid.uuid4())
        self.key = key
        self.tasks: set[asyncio.Task[Any]] = set()
        self._patience_s = send_timeout_s
        self._spawn = spawn
        self._socket: AsgiSocket | None = None
        self._outbox: deque[str] = deque()
        self._bytes = 0
        self._held = held
        self._lock = asyncio.Lock()

    @property
    def busy(self) -> bool:
        return bool(self.tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that may outlast the socket."""
        task = self._spawn(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def attach(self, socket: AsgiSocket) -> AsgiSocket | None:
        """Speak through this socket; the one before, if there still is one."""
        former, self._socket = self._socket, socket
        await self._flush()
        return former

    def detach(self, socket: AsgiSocket) -> bool:
        """The socket is lost; whether there is none now."""
        if self._socket is socket:
            self._socket = None
        return self._socket is None

    async def say(self, message: bytes) -> None:
        """Send it, or keep it. Never raises but what cancels it."""
        kept = self._held[self.key] if self._socket is None else self._bytes
        if kept + len(message) > KEPT_BYTES:
            return
        self._outbox.append(message.decode())
        self._hold(len(message))
        await self._flush()

    async def aclose(self) -> None:
        """Give up what is under way."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._outbox.clear()
        self._hold(-self._bytes)

    def _hold(self, size: int) -> None:
        self._bytes += size
        self._held[self.key] += size
        if not self._held[self.key]:
            del self._held[self.key]

    async def _flush(self) -> None:
        async with self._lock:
            while self._outbox and (socket := self._socket) is not None:
                message = self._outbox[0]
                try:
                    async with asyncio.timeout(self._patience_s):
                        await socket.send(message)
                except (SocketGone, TimeoutError):
                    self.detach(socket)
                    with suppress(SocketGone, TimeoutError):
                        async with asyncio.timeout(self._patience_s):
                            await socket.close(1013, "stalled")
                    return
                self._outbox.popleft()
                self._hold(-len(message.encode()))


class Sessions:
    """Those of all clients, for as long as they may come back."""

    def __init__(self, send_timeout_s: float, spawn: Spawn) -> None:
        self._send_timeout_s = send_timeout_s
        self._spawn = spawn
        self._all: dict[str, Session] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._held: Counter[str] = Counter()

    def resume(self, id: str, key: str) -> Session:
        """The session of that id if it is this key's and still there, else a new one."""
        session = self._all.get(id)
        if session is None or session.key != key:
            session = Session(key, self._send_timeout_s, self._spawn, self._held)
            self._all[session.id] = session
        elif (leaving := self._leaving.pop(id, None)) is not None:
            leaving.cancel()
        return session

    def leave(self, session: Session) -> None:
        """Its socket is lost: forget it, unless it comes back."""
        self._leaving[session.id] = self._spawn(self._forget(session))

    async def drop(self, session: Session) -> None:
        """Forget it now."""
        self._all.pop(session.id, None)
        await session.aclose()

    async def _forget(self, session: Session) -> None:
        try:
            await asyncio.sleep(KEPT_S)
        finally:
            if self._leaving.get(session.id) is asyncio.current_task():
                del self._leaving[session.id]
                await self.drop(session)
