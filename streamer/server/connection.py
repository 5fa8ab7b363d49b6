"""One client: what its messages do to its contexts, and how the connection ends.

Knows no starlette: a socket that can send and close is attached, and detached when it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from streamer import types
from streamer.config import Settings
from streamer.errors import IdleTimeout, NotAvailable, StalledReader, StreamerError
from streamer.protocols.base import Close, Output, RemoteProtocolError, Server
from streamer.server.contexts import Contexts
from streamer.server.meter import Meter
from streamer.server.speaking import SessionFactory
from streamer.server.writer import Socket, SocketGone, Writer
from streamer.types import Command, Failed, Idle, OptionsUpdate, Ready, Start, Text

Prepare = Callable[[OptionsUpdate | None], Awaitable[None]]
"""Waits for what a session with these options would else wait for while all others do too."""


async def _nothing(options: OptionsUpdate | None) -> None:
    pass


class Connection:
    """One client. `receive` handles one wire message; what is spoken goes out by itself.

    Bad input never raises: it is answered by a typed error, for the context it names, else for the
    connection, which then closes. An error that names a context ends it.
    """

    def __init__(
        self,
        dialect: Server,
        sessions: SessionFactory,
        meter: Meter,
        settings: Settings,
        *,
        prepare: Prepare = _nothing,
    ) -> None:
        self._dialect = dialect
        self._meter = meter
        self._settings = settings
        self._prepare = prepare
        self._writer = Writer(dialect, settings.send_timeout_s)
        self._contexts = Contexts(
            sessions, meter, self._writer, bound=settings.max_contexts, on_lost=self.detach
        )
        self._watcher: asyncio.Task[None] | None = None
        self._lost = False
        self._last_message = asyncio.get_running_loop().time()

    @property
    def key(self) -> str:
        """Id of the key it came with; "" for none."""
        return self._meter.key.id

    def attach(self, socket: Socket) -> None:
        """Speak to this client through `socket`."""
        self._writer.attach(socket)
        self._watcher = asyncio.create_task(self._watch())

    def detach(self) -> None:
        """The socket is lost: free every context at once."""
        if self._writer.stalled and not self._lost:
            self._meter.error(StalledReader("the client reads too slowly"))
        self._writer.detach()
        self._lost = True
        self._contexts.abandon()

    async def aclose(self) -> None:
        """Detach, and wait until nothing of this connection runs."""
        self.detach()
        await self._contexts.wait()
        if self._watcher is not None and self._watcher is not asyncio.current_task():
            self._watcher.cancel()
            await asyncio.wait({self._watcher})

    async def open(self, ready: Ready, opening: Sequence[Command | Output] = ()) -> None:
        """Greet, then do what the handshake asked for. Raises `SocketGone`."""
        async with self._writer.lock:
            await self._writer.write(ready)
        await self._process(opening)

    async def receive(self, message: str | bytes) -> None:
        """Do what one message asks for. Raises `SocketGone` when there is nobody to answer."""
        self._last_message = asyncio.get_running_loop().time()
        try:
            await self._receive(message)
        except SocketGone:
            self.detach()
            raise

    async def fail(self, error: StreamerError) -> None:
        """Stop everything, say why, close: an error of the whole connection."""
        async with self._writer.lock:
            await self._contexts.silence()
            self._meter.error(error)
            if self._writer.attached:
                await self._writer.write(Failed(error))
                await self._writer.close(1008, error.code)

    async def drain(self) -> None:
        """Wait until the live contexts have ended (new ones are refused by the meter), then close."""
        await self._contexts.quiet.wait()
        await self.finish()

    async def finish(self) -> None:
        """Cut every context that is live (`done`, reason drained), then close with 1001."""
        with suppress(SocketGone):
            await self._contexts.cancel(None, "drained")
            async with self._writer.lock:
                await self._writer.close(1001, "draining")

    async def _receive(self, message: str | bytes) -> None:
        try:
            items = self._dialect.receive(message)
        except RemoteProtocolError as refused:
            if refused.context is not None:
                await self._contexts.fail(refused.context, refused.error)
            if refused.context is None or refused.fatal:
                await self.fail(refused.error)
        except Exception as fault:
            await self.fail(self._meter.fault(fault))
        else:
            await self._process(items)

    async def _process(self, items: Iterable[Command | Output]) -> None:
        for item in items:
            if isinstance(item, str | bytes | Close):
                async with self._writer.lock:
                    await self._writer.put(item)
                continue
            context: str | None = getattr(item, "context", None)
            try:
                await self._run(item)
            except SocketGone:
                raise
            except Exception as fault:
                if not isinstance(fault, StreamerError):
                    fault = self._meter.fault(fault, context)
                if context is None:
                    await self.fail(fault)
                else:
                    await self._contexts.fail(context, fault)

    async def _run(self, command: Command) -> None:
        contexts = self._contexts
        match command:
            case Start():
                await self._prepare(command.options)
                contexts.start(command)
            case Text():
                await self._prepare(command.options)
                live = contexts.get(command.context) or contexts.start(Start(command.context))
                live.charge.take(len(command.text), live.session.quote(command))
                live.session.text(command)
            case types.Flush(context):
                contexts.live(context).session.flush()
            case types.End(context):
                contexts.live(context).session.end()
            case types.Played(context, played_ms):
                if known := contexts.get(context):  # it may have ended while this was on its way
                    known.session.played(played_ms)
            case types.Interrupt(some, heard_ms):
                await contexts.interrupt(some, heard_ms)
            case types.Cancel(some):
                await contexts.cancel(some)
            case types.Report():
                self._meter.report(command)
            case types.Pause() | types.Continue() | types.Resume() | types.Authenticate():
                what = type(command).__name__.lower()
                raise NotAvailable(f"this server does not offer {what!r} yet", param="type")

    async def _watch(self) -> None:
        """Tell the dialect of silence when it wants to know; close a connection that nobody uses."""
        loop, told_at, used_at = asyncio.get_running_loop(), -1.0, self._last_message
        while not self._lost:
            now = loop.time()
            used_at = max(used_at, self._last_message)
            if not self._contexts.quiet.is_set():
                used_at = now
            wait = used_at + self._settings.connection_idle_s - now
            if wait <= 0:
                with suppress(SocketGone):
                    await self.fail(IdleTimeout("no message and no context for too long"))
                return
            silence_s = self._dialect.idle_s
            if silence_s is not None and told_at < self._last_message:
                if self._last_message + silence_s <= now:
                    told_at = now
                    with suppress(SocketGone):
                        async with self._writer.lock:
                            await self._writer.write(Idle())
                    continue
                wait = min(wait, self._last_message + silence_s - now)
            # Looked at again before the time is up: a context may end, and the time begin, meanwhile.
            await asyncio.sleep(min(wait, self._settings.connection_idle_s / 10) + 0.001)
