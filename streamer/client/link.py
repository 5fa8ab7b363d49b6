"""One connection to a server over as many sockets as it takes: a lost one is followed by another.

What was said and what was heard of contexts is not known here: their owner says what to say again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client.dialing import ABNORMAL, Dial, first, watch, why_closed
from streamer.client.patience import Patience, retry_after_s
from streamer.errors import Draining, StalledReader, StreamerError
from streamer.protocols import native
from streamer.protocols.base import RemoteProtocolError
from streamer.types import Command, Cue, Event, Failed, Ready, Report, Resume, Resumed, Text

RESUME_S = 30.0
"""How long a server waits for a lost client, where it does not say."""
COMES_BACK = frozenset({1005, ABNORMAL, 1011, 1012, 1013, 1014})
"""Codes of a socket that was closed without a reason of the server's own, by what lies between maybe, as
registered for RFC 6455: after these another is tried."""
PER_COMMAND = 100
"""About what a command takes in memory besides its text, in bytes."""


class Owner(Protocol):
    """Whose connection it is."""

    def hear(self, event: Event) -> None:
        """An event of a context."""

    def resume(self, resumed: Resumed) -> Iterable[Command]:
        """What became of the contexts over a lost socket. What is to be said (again) comes back."""
        ...

    def lose(self, error: Exception, *, waited: bool) -> None:
        """The connection has ended, for this reason. `waited`: no socket could be had in all the time."""


class Link:
    """`start` once, then `send`. `ready` is the latest greeting, `reconnects` counts the sockets after the
    first. Nothing is lost of a command that was sent while no socket was open: `Owner.resume` tells it
    again. `bound`: how many bytes of commands may wait for a socket."""

    def __init__(
        self,
        dial: Dial,
        patience: Patience,
        owner: Owner,
        bound: int,
        opened: tuple[ClientConnection, native.Client, Ready],
        *,
        resume: bool,
    ) -> None:
        self.reconnects = 0
        self.socket: ClientConnection | None
        self.socket, self._protocol, self.ready = opened
        self._dial = dial
        self._patience = patience
        self._owner = owner
        self._bound = bound
        self._resume = resume
        self._attached = True
        self._messages = 0
        self._closing = False
        self._ended: Exception | None = None
        self._fault: StreamerError | None = None
        self._owed: deque[Command] = deque()
        self._unsent = 0
        self._catching_up: asyncio.Task[None] | None = None
        self._reader = asyncio.create_task(self._run(self.socket))

    @property
    def connected(self) -> bool:
        """Is there a socket that all has been said through?"""
        return self.socket is not None and self._attached

    def room(self, text: str) -> bool:
        """May a text, or a cue of it, wait to be sent?"""
        return self.connected or self._unsent + len(text.encode()) <= self._bound

    def heard_of(self, context: str) -> bool:
        """Has anything come of a context of that name?"""
        return context in self._protocol.received

    async def send(self, command: Command) -> None:
        """Raises what the connection ended with. While no socket is open, it returns at once."""
        if self._ended is not None:
            raise self._ended
        socket = self.socket
        if socket is not None and self._attached:
            saying = asyncio.ensure_future(self._say(socket, command))
            try:
                # Whoever waits for it may give up: unsaid, it would be a hole in what its context was told.
                await asyncio.shield(saying)
            except ConnectionClosed:
                if not self._resumable:
                    raise self._fault or why_closed(socket) from None
                if self.socket is socket:
                    self.socket = None
                if isinstance(command, Report):
                    await self.send(command)
            return
        text = command.text if isinstance(command, Text | Cue) else ""
        self._unsent += PER_COMMAND + len(text.encode())
        if socket is not None or isinstance(command, Report):
            self._owed.append(command)

    async def aclose(self) -> None:
        """Close the connection, also for the server: it does not wait for us."""
        self._closing = True
        try:
            if self.socket is not None:
                await self.socket.close()
        finally:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    @property
    def _resumable(self) -> bool:
        return self._resume and bool(self.ready.token) and not self._closing

    async def _say(self, socket: ClientConnection, command: Command) -> None:
        for message in self._protocol.send(command):
            await socket.send(message)

    # Hearing, in a task of its own.

    async def _run(self, socket: ClientConnection) -> None:
        error: Exception = ConnectionError("the connection is closed")
        waited = False
        try:
            while True:
                await self._hear(socket)
                self.socket = None
                await self._stop_catching_up()
                error = self._fault or why_closed(socket)
                if not (self._resumable and self._comes_back(socket)):
                    break
                self._fault = None
                socket = await self._return(error)
        except StreamerError as refused:
            error = refused
        except OSError as unreachable:
            error, waited = unreachable, True
        finally:
            self.socket = None
            self._ended = error
            self._owner.lose(error, waited=waited)
            await self._stop_catching_up()

    async def _hear(self, socket: ClientConnection) -> None:
        """Until the socket is closed, by whomever."""
        watching = asyncio.create_task(watch(socket, lambda: self._messages))
        try:
            async for message in socket:
                self._messages += 1
                for event in self._protocol.receive(message):
                    if isinstance(event, Failed) and event.context is None:
                        self._fault = event.error
                    else:
                        self._owner.hear(event)
        except ConnectionClosed:
            pass
        except RemoteProtocolError as refused:
            self._fault = refused.error
            await socket.close(1002, refused.error.code)
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    def _comes_back(self, socket: ClientConnection) -> bool:
        """Is it worth another socket? Not where the server has told that it wants none."""
        error = self._fault or why_closed(socket)
        if isinstance(error, StreamerError):
            return isinstance(error, Draining | StalledReader)
        return (socket.close_code or ABNORMAL) in COMES_BACK

    async def _return(self, lost: Exception) -> ClientConnection:
        """Another socket, over which the session goes on. Raises the refusal of one, or why there was
        none in all the time that the server waits; at once where it does not want to be asked in that."""
        patience = self._patience
        until = patience.clock() + self.ready.limits.get("resume_s", RESUME_S)
        for wait in patience.waits():
            left = until - patience.clock()
            if (soonest := retry_after_s(lost)) > left:
                break
            await patience.sleep(min(soonest + wait, max(0.0, left)))
            left = until - patience.clock()
            if left <= 0:
                break
            try:
                async with asyncio.timeout(left):
                    socket, resumed = await self._open()
            except StreamerError as error:
                if not error.retryable:
                    raise
                lost = error
            except OSError as error:
                lost = error
            else:
                self._take_up(socket, resumed)
                return socket
        raise lost

    async def _open(self) -> tuple[ClientConnection, Resumed]:
        socket = await self._dial()
        session = self.ready
        try:
            async with asyncio.timeout(self._dial.open_timeout):
                ready = await first(socket, self._protocol, Ready)
                if ready.token:
                    received = self._protocol.received
                    await self._say(socket, Resume(session.session, session.token, received))
                    resumed = await first(socket, self._protocol, Resumed)
                else:
                    resumed = Resumed(ready.session)
                    self._protocol = native.Client()
        except asyncio.CancelledError:
            await socket.close()
            raise
        except ConnectionClosed:
            raise why_closed(socket) from None
        except BaseException:
            socket.transport.abort()  # closed properly, it would take what it has resumed along
            raise
        if resumed.session == session.session:
            ready = replace(ready, session=session.session, token=session.token)
        self.ready = ready
        return socket, resumed

    def _take_up(self, socket: ClientConnection, resumed: Resumed) -> None:
        self.reconnects += 1
        self.socket, self._attached = socket, False
        reports = [command for command in self._owed if isinstance(command, Report)]
        self._owed = deque([*self._owner.resume(resumed), *reports])
        self._catching_up = asyncio.create_task(self._catch_up(socket))

    async def _catch_up(self, socket: ClientConnection) -> None:
        """Say what is owed, and what is said meanwhile behind it."""
        with suppress(ConnectionClosed):
            while self._owed:
                await self._say(socket, self._owed[0])
                self._owed.popleft()
            self._attached = True
            self._unsent = 0

    async def _stop_catching_up(self) -> None:
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait([self._catching_up])
            self._catching_up = None
