"""The contexts of one client: each is spoken by a task of its own and ends by exactly one message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress

from streamer.errors import (
    ContextConflict,
    ContextLimit,
    ContextLost,
    StreamerError,
    UnknownContext,
)
from streamer.server.channels import Subscription
from streamer.server.live import Live, outcome_of
from streamer.server.meter import Meter
from streamer.server.recovery import Recovery, recover
from streamer.server.reports import Reports
from streamer.server.ring import Ended, Rings
from streamer.server.speaking import Holding, KeepsTime, SessionFactory, Speaking
from streamer.server.writer import SocketGone, Writer
from streamer.types import (
    EndReason,
    Event,
    Failed,
    Report,
    Start,
    Subscribe,
)

Ending = Callable[[Speaking], Event]
"""How a stopped session says its last word."""


class Contexts:
    """What is live on one connection.

    A speaker is cancelled only while the writer's lock is held (or its socket is lost): so a message
    goes out whole, with its sequence number, or not at all. A context is forgotten before its ending
    message is sent, and nothing of it is sent after that. `on_lost` is called when a speaker
    finds that the socket carries nothing any more. With `rings` what is sent is kept in them.
    """

    def __init__(
        self,
        sessions: SessionFactory,
        meter: Meter,
        writer: Writer,
        *,
        bound: int,
        on_lost: Callable[[], None],
        rings: Rings | None = None,
    ) -> None:
        self._sessions = sessions
        self._meter = meter
        self._writer = writer
        self._bound = bound
        self._on_lost = on_lost
        self._rings = Rings.none() if rings is None else rings
        self._reports = Reports()
        self._lives: dict[str, Live] = {}
        # Not in Live: a task that was cancelled keeps its frames, these the Live, and all of them stayed
        # until the garbage collector comes.
        self._tasks: dict[Live, asyncio.Task[None]] = {}
        self.quiet = asyncio.Event()
        """Set while nothing is live."""
        self.quiet.set()

    @property
    def listeners(self) -> int:
        """How many of them listen to channels."""
        return sum(isinstance(live.session, Subscription) for live in self._lives.values())

    def get(self, context: str) -> Live | None:
        return self._lives.get(context)

    def live(self, context: str) -> Live:
        """The live context of that name. Raises `UnknownContext`."""
        if (live := self._lives.get(context)) is None:
            raise UnknownContext(f"no context {context[:64]!r}", param="context")
        return live

    def start(self, start: Start | Subscribe) -> Live:
        """Begin a context. Raises what the limits or the session have against it."""
        if start.context in self._lives:
            raise ContextConflict("the context has begun already", param="context")
        if len(self._lives) >= self._bound:
            raise ContextLimit(
                f"{self._bound} contexts are live on this connection", limit=self._bound
            )
        meter = self._meter
        listens = isinstance(start, Subscribe)
        charge = (meter.listen if listens else meter.start)(start.context)
        try:
            ring = self._rings.new(listens=listens)
            live = Live(start.context, self._sessions(start), charge, ring)
        except BaseException:
            charge.close(None, "refused")
            raise
        self._lives[start.context] = live
        self.quiet.clear()
        self._tasks[live] = asyncio.create_task(self._speak(live))
        self._tasks[live].add_done_callback(lambda _: self._ended(live))
        return live

    def _ended(self, live: Live) -> None:  # whether its task ever ran or not
        del self._tasks[live]
        if isinstance(live.session, Holding):
            live.session.release()

    async def fail(self, context: str, error: StreamerError) -> None:
        """End a context by an error; where there is no such context, still say so."""
        async with self._writer.lock:
            live = self._lives.get(context)
            if live is not None:
                await self._end([live], lambda session: Failed(error, context))
            else:
                self._meter.error(error, context)
                await self._writer.write(Failed(error, context))

    async def interrupt(self, context: str | None, played_ms: float | None) -> None:
        """Stop one context, or all, and say what was heard. Raises `UnknownContext`."""
        await self._stop(context, lambda session: session.interrupted(played_ms))

    async def pause(self, context: str, played_ms: float | None) -> None:
        """Say what was heard, and nothing more until `go_on`. Raises `UnknownContext`."""
        await self.live(context).told.wait()  # "started" comes before all else, and at once
        async with self._writer.lock:
            live = self.live(context)
            await self._writer.write(live.session.pause(played_ms), live.ring)

    def go_on(self, context: str) -> None:
        """After a pause. Raises `UnknownContext`."""
        self.live(context).session.go_on()

    async def cancel(self, context: str | None, reason: EndReason = "cancelled") -> None:
        """Stop one context, or all. Raises `UnknownContext`."""
        await self._stop(context, lambda session: session.done(reason))

    async def silence(self) -> None:
        """Stop all and say nothing: the connection is about to be closed. The lock is held."""
        await self._end(list(self._lives.values()), None)

    def abandon(self) -> None:
        """The socket is lost: free all at once."""
        for live in list(self._lives.values()):
            self._forget(live)
            live.charge.close(live.session, "gone")
            if self._tasks[live] is not asyncio.current_task():
                self._tasks[live].cancel()

    async def wait(self) -> None:
        """Until no speaker runs any more."""
        if tasks := set(self._tasks.values()) - {asyncio.current_task()}:
            await asyncio.wait(tasks)

    async def _speak(self, live: Live) -> None:
        try:
            async with aclosing(live.session.events()) as events:
                async for event in events:
                    if live.over:
                        return
                    epoch = live.session.epoch
                    if live.ring is not None:
                        await self._writer.room(live.ring)
                    async with self._writer.lock:
                        if live.session.epoch == epoch:
                            await self._tell(live, event)
            if not live.over:
                raise RuntimeError("a session ended without saying how")
        except SocketGone:
            self._on_lost()
        except Exception as fault:
            error = self._meter.fault(fault, live.context)
            if not live.over:
                with suppress(SocketGone):
                    async with self._writer.lock:
                        await self._tell(live, Failed(error, live.context))

    async def _tell(self, live: Live, event: Event) -> None:
        """Send an event of a context, the last of it maybe. The lock is held."""
        outcome = outcome_of(event)
        if outcome is None:
            if live.ring is not None and not live.ring.next:
                self._rings.forget(live.context)
            live.told.set()
            await self._writer.write(event, live.ring)
            live.charge.observe(event)
            return
        self._forget(live)
        self._retire(live, event)
        self._reports.ended(live.context)
        live.charge.close(live.session, outcome)
        if isinstance(event, Failed):
            self._meter.error(event.error, live.context)
        await self._writer.write(event, live.ring)

    async def _stop(self, context: str | None, ending: Ending) -> None:
        async with self._writer.lock:
            some = list(self._lives.values()) if context is None else [self.live(context)]
            await self._end(some, ending)

    async def _end(self, some: Sequence[Live], ending: Ending | None) -> None:
        """Stop speakers; with an `ending`, tell it of each. The lock is held."""
        tasks = [self._tasks[live] for live in some]
        for live, task in zip(some, tasks, strict=True):
            self._forget(live)
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks)
            for live in some:
                if ending is not None:
                    await self._tell(live, self._last_word(live, ending))
        finally:
            for live in some:
                live.charge.close(live.session, "gone")

    def _last_word(self, live: Live, ending: Ending) -> Event:
        try:
            return ending(live.session)
        except Exception as fault:
            return Failed(self._meter.fault(fault, live.context), live.context)

    def report(self, report: Report) -> None:
        """A listener's figures: of a context that has ended here, once; else they are dropped."""
        if self._reports.take(report.context):
            self._rings.forget(report.context)  # all of it has arrived
            self._meter.report(report)

    def age(self) -> None:
        """Forget what ended too long ago for a client that is here."""
        if self._writer.attached:
            self._rings.age(asyncio.get_running_loop().time())

    def recover(self, received: Mapping[str, int]) -> Recovery:
        """A client is back: what becomes of each context. What it can't get whole is ended. The lock is
        held."""
        recovery = recover(received, self._lives, self._rings.ended)
        for name in recovery.lost:
            self._lose(self._lives[name])
        for name, live in self._lives.items():
            if live.ring is not None and isinstance(live.session, KeepsTime):
                live.session.missed(live.ring.seconds_since(received.get(name, -1) + 1))
        return recovery

    def _lose(self, live: Live) -> None:
        """End a context of which the client missed too much. The lock is held."""
        self._forget(live)
        live.charge.close(live.session, "lost")
        self._tasks[live].cancel()
        self._writer.drop(Failed(ContextLost("too much of it was missed"), live.context))

    def _retire(self, live: Live, ending: Event) -> None:
        """Its last message is about to go into its ring: keep that."""
        if live.ring is not None:
            self.age()
            now = asyncio.get_running_loop().time()
            ended = Ended(live.ring, live.session.received, now)
            self._rings.retire(live.context, ended, failed=isinstance(ending, Failed))

    def _forget(self, live: Live) -> None:
        live.over = True
        live.told.set()
        if self._lives.get(live.context) is live:
            del self._lives[live.context]
        if not self._lives:
            self.quiet.set()
