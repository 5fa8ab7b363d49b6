"""What comes in from one client: messages become commands, done one after the other.

What is wrong with one is told where it belongs: to the context that it names, else to the whole connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from streamer.errors import StreamerError
from streamer.protocols.base import Close, Output, RemoteProtocolError, Server
from streamer.server.commands import Prepare, run
from streamer.server.contexts import Contexts
from streamer.server.meter import Meter
from streamer.server.writer import SocketGone, Writer
from streamer.types import Command, Resume


class Incoming:
    """`resume` does what that command asks for, `fail` ends the connection. With a `refusal` nothing but
    `Resume` is done. All raise `SocketGone`, and nothing else."""

    def __init__(
        self,
        dialect: Server,
        contexts: Contexts,
        writer: Writer,
        meter: Meter,
        *,
        prepare: Prepare,
        resume: Callable[[Resume], Awaitable[None]],
        fail: Callable[[StreamerError], Awaitable[None]],
        refusal: StreamerError | None,
    ) -> None:
        self._dialect = dialect
        self._contexts = contexts
        self._writer = writer
        self._meter = meter
        self._prepare = prepare
        self._resume = resume
        self._fail = fail
        self._refusal = refusal

    async def receive(self, message: str | bytes) -> None:
        """Do what a message asks for."""
        try:
            items = self._dialect.receive(message)
        except RemoteProtocolError as refused:
            if refused.context is not None:
                await self._contexts.fail(refused.context, refused.error)
            if refused.context is None or refused.fatal:
                await self._fail(refused.error)
        except Exception as fault:
            await self._fail(self._meter.fault(fault))
        else:
            await self.process(items)

    async def process(self, items: Sequence[Command | Output]) -> None:
        """Send and do these, in order."""
        if self._refusal is not None and not all(isinstance(item, Resume) for item in items):
            await self._fail(self._refusal)
            return
        for item in items:
            if isinstance(item, str | bytes | Close):
                async with self._writer.lock:
                    await self._writer.put(item)
            else:
                await self._do(item)

    async def _do(self, command: Command) -> None:
        context: str | None = getattr(command, "context", None)
        try:
            if isinstance(command, Resume):
                await self._resume(command)
            else:
                await run(command, self._contexts, self._prepare)
        except SocketGone:
            raise
        except Exception as fault:
            if not isinstance(fault, StreamerError):
                fault = self._meter.fault(fault, context)
            if context is None:
                await self._fail(fault)
            else:
                await self._contexts.fail(context, fault)
