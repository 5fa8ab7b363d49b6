"""One client: its contexts, and how long they last.

Knows no starlette: a socket that can send and close is attached. When it is lost the connection ends, or,
where the client asked for that, waits for the next socket (`Connection.take_over`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from streamer.config import Settings
from streamer.errors import IdleTimeout, InvalidParameter, StalledReader, StreamerError
from streamer.protocols.base import Output, Server
from streamer.server.auth import Key
from streamer.server.commands import Prepare, unprepared
from streamer.server.contexts import Contexts
from streamer.server.incoming import Incoming
from streamer.server.meter import Meter
from streamer.server.resuming import LENT_S, Resuming, Waiting
from streamer.server.ring import Rings
from streamer.server.silence import Silence
from streamer.server.speaking import SessionFactory
from streamer.server.writer import Socket, SocketGone, Writer, close_for_another
from streamer.types import Command, Failed, Idle, Ready, Recovered, Resume, Resumed


def _nobody(code: int | None) -> None:
    pass


class Connection:
    """One client. `receive` handles one wire message; what is spoken goes out by itself.

    Bad input never raises: it is answered by a typed error, for the context it names, else for the
    connection, which then closes. An error that names a context ends it. With `resuming` it outlives its
    socket; with a `refusal` it is good for `resume` alone. `ended` is called, maybe more than once, when it
    is over and no socket is open: with the close code, if there was one.
    """

    def __init__(
        self,
        dialect: Server,
        sessions: SessionFactory,
        meter: Meter,
        settings: Settings,
        *,
        prepare: Prepare = unprepared,
        resuming: Resuming[Connection] | None = None,
        refusal: StreamerError | None = None,
        ended: Callable[[int | None], None] = _nobody,
    ) -> None:
        self._meter = meter
        self._settings = settings
        self._resuming = resuming
        self._refusal = refusal
        self._ended = ended
        self._writer = Writer(dialect, settings.send_timeout_s, waits=resuming is not None)
        self._contexts = Contexts(
            *(sessions, meter, self._writer),
            bound=settings.max_contexts,
            on_lost=self.detach,
            rings=None if resuming is None else Rings.of(settings),
        )
        self._incoming = Incoming(
            *(dialect, self._contexts, self._writer, meter),
            prepare=prepare,
            resume=self._resume,
            fail=self.fail,
            refusal=refusal,
        )
        self._waiting = Waiting(settings.resume_s, meter.ledger.counters, self.give_up)
        self._session = ""
        self._socket: Socket | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._first = True
        self._closing = False
        self._lost = False
        self._silence = Silence(dialect, LENT_S if refusal else settings.connection_idle_s)
        self.heir: Connection | None = None
        """Who has this one's socket now: the session that its client came back for."""

    @property
    def key(self) -> Key:
        """The key or token it came with, last where its client came back."""
        return self._meter.key

    def attach(self, socket: Socket) -> None:
        """Speak to this client through `socket`."""
        self._socket = socket
        self._writer.attach(socket)
        self._watcher = asyncio.create_task(self._watch())

    def serves(self, socket: Socket) -> bool:
        """Whether it is this socket's messages that count."""
        return self._socket is socket and not self._lost

    async def leave(self, socket: Socket, code: int | None, *, closed: bool) -> None:
        """The socket has ended, `closed` by the client or only lost. Nothing happens if another has taken
        over. Who has never said anything has nothing to come back for."""
        if self._socket is not socket:
            return
        away = not (closed or self._closing or self._lost or self._first)
        if self._resuming is None or not away or self._meter.ledger.draining:
            try:
                await self.aclose()
            finally:
                self._ended(code)
            return
        self._writer.release()
        self._stalled()
        self._meter.log.info("connection waits", extra={"code": code})
        self._waiting.begin()

    def give_up(self, outcome: str = "ended") -> bool:
        """End, if it is waited for; whether it was."""
        waited = bool(self._waiting)
        if waited:
            self._waiting.end(outcome)
            self.detach()
            self._ended(None)
        return waited

    def detach(self) -> None:
        """It is over: free every context at once."""
        if not self._lost:
            cut = self._contexts.listeners if self._writer.stalled else 0
            self._meter.ledger.counters.channel_listeners_cut += cut
            self._stalled()
        self._writer.detach()
        self._lost = True
        self._waiting.end()
        if self._resuming is not None:
            self._resuming.leave(self._session)
        self._contexts.abandon()
        if self._watcher is not None and self._watcher is not asyncio.current_task():
            self._watcher.cancel()

    def _stalled(self) -> None:
        if self._writer.stalled:
            self._writer.stalled = False
            self._meter.error(StalledReader("the client reads too slowly"))

    async def aclose(self) -> None:
        """Detach, and wait until nothing of this connection runs."""
        self.detach()
        await self._contexts.wait()
        if self._watcher is not None and self._watcher is not asyncio.current_task():
            await asyncio.wait({self._watcher})

    async def take_over(self, socket: Socket, received: Mapping[str, int], meter: Meter) -> None:
        """The client is back, over `socket`, with `meter`: tell what becomes of each context, and what was
        missed since it `received` these sequence numbers."""
        old, self._socket = self._socket, socket
        still_open = old if not self._waiting else None
        self._waiting.end()
        self._writer.release()
        self._first = False
        self._silence.heard()
        if still_open is not None:
            await close_for_another(still_open)
        async with self._writer.lock:
            if not self.serves(socket):
                return
            if self._closing:
                await socket.close(1001, "draining")
                return
            self._meter.key = meter.key  # it may be another token or secret of the same key
            recovery = self._contexts.recover(received)
            figures = {"contexts": len(recovery.states), "lost": len(recovery.lost)}
            self._meter.log.info("connection resumes", extra={"by": meter.request_id, **figures})
            self._writer.attach(socket)
            await self._writer.write(Resumed(self._session, recovery.states))
            await self._writer.resend(recovery.missed)

    async def open(self, ready: Ready, opening: Sequence[Command | Output] = ()) -> None:
        """Greet, then do what the handshake asked for. Raises `SocketGone`."""
        self._session = ready.session
        if self._resuming is not None and self._refusal is None:
            self._resuming.enter(ready.session, ready.token, self)
        async with self._writer.lock:
            await self._writer.write(ready)
        await self._incoming.process(opening)

    async def receive(self, message: str | bytes) -> None:
        """Do what one message asks for. Raises `SocketGone` when there is nobody to answer."""
        self._silence.heard()
        try:
            await self._incoming.receive(message)
        except SocketGone:
            self.detach()
            raise
        finally:
            self._first = False

    async def fail(self, error: StreamerError) -> None:
        """Stop everything, say why, close: an error of the whole connection."""
        self._closing = True
        if self.give_up():
            return
        async with self._writer.lock:
            await self._contexts.silence()
            self._meter.error(error)
            if self._writer.attached:
                await self._writer.write(Failed(error))
                await self._writer.close(1008, error.code)

    async def drain(self) -> None:
        """Wait until the live contexts have ended (new ones are refused by the meter), then close."""
        self.give_up()
        await self._contexts.quiet.wait()
        await self.finish()

    async def finish(self) -> None:
        """Cut every context that is live (`done`, reason drained), then close with 1001."""
        self._closing = True
        if self.give_up():
            return
        with suppress(SocketGone):
            await self._contexts.cancel(None, "drained")
            async with self._writer.lock:
                await self._writer.close(1001, "draining")

    async def _resume(self, resume: Resume) -> None:
        """Hand this socket to the connection that the client comes back for, or say that it is gone."""
        if not self._first:
            raise InvalidParameter("'resume' is the first message of a socket", param="type")
        if self._resuming is None:
            raise InvalidParameter(
                "a socket is resumed on one opened with resume=1", param="resume"
            )
        session = self._resuming.find(resume, self)
        socket = self._socket
        if session is None or session is self or session._closing or socket is None:
            if self._refusal is not None:
                raise self._refusal
            gone = dict.fromkeys(resume.received, Recovered(False))
            async with self._writer.lock:
                await self._writer.write(Resumed(self._session, gone))
            return
        self.heir, self._socket = session, None
        self.detach()
        self._ended(None)
        await session.take_over(socket, resume.received, self._meter)

    async def _watch(self) -> None:
        """Tell the dialect of silence when it wants to know; close a connection that nobody uses."""

        async def tell() -> None:
            with suppress(SocketGone):
                async with self._writer.lock:
                    await self._writer.write(Idle())

        async def close() -> None:
            error = IdleTimeout("no message and no context for too long")
            with suppress(SocketGone):
                await self.fail(self._refusal or error)

        await self._silence.watch(self._busy, tell, close)

    def _busy(self) -> bool:
        self._contexts.age()
        return bool(self._waiting) or not self._contexts.quiet.is_set()
