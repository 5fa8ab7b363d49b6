"""The open contexts of one connection, over all its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from streamer.client.context import Context
from streamer.client.link import Link, Owner
from streamer.errors import ContextConflict, ContextLost, StreamerError
from streamer.types import (
    Cancel,
    Command,
    Done,
    Event,
    Failed,
    Idle,
    Interrupted,
    Ready,
    Resumed,
    Start,
    Subscribe,
)


class Contexts:
    """Who is told by the connection's link, which `linked` makes. `bound`: bytes of one context that may wait
    to be read."""

    def __init__(self, linked: Callable[[Owner], Link], bound: int) -> None:
        self._bound = bound
        self._open: dict[str, Context] = {}
        self._leaving: set[str] = set()
        """Cancelled without waiting for an answer."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.link = linked(self)

    async def open(self, start: Start | Subscribe) -> Context:
        """Raises `ContextConflict` for a name that is in use, and what the connection ended with."""
        if start.context in self._open:
            raise ContextConflict(f"context {start.context!r} is open", param="context")
        context = Context(start, self.link, self.abandon, self._bound)
        context.renamed = self.link.heard_of(start.context)
        self._open[start.context] = context
        try:
            await self.link.send(start)
        except asyncio.CancelledError:
            self.abandon(context)  # it may be out all the same
            raise
        except BaseException:
            self._open.pop(start.context, None)  # the reader may have seen the end first
            raise
        return context

    def abandon(self, context: Context) -> None:
        """Nobody listens any more: cancel it without waiting for an answer."""
        self.fail(context, None)

    def fail(self, context: Context, error: Exception | None) -> None:
        """The same for a reason, which its reader is told; one that has ended stays as it is."""
        if not context.over:
            context.fail(error)
            self._leave(context)

    async def aclose(self) -> None:
        """Give up what still has to be said."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    # What its link tells.

    def hear(self, event: Event) -> None:
        """An event of a context that is no more (it was cancelled meanwhile) is dropped."""
        if isinstance(event, Ready | Resumed | Idle) or event.context is None:
            return
        if isinstance(event, Done | Interrupted | Failed):
            self._leaving.discard(event.context)
        if context := self._open.get(event.context):
            context.take(event)
            if context.overflowed:
                self._leave(context)
            elif context.over:
                del self._open[event.context]

    def resume(self, resumed: Resumed) -> list[Command]:
        """What to say over a new socket."""
        live = {name: state for name, state in resumed.contexts.items() if state.recovered}
        owed: list[Command] = []
        for context in list(self._open.values()):
            begun = context.started is not None
            # Of a name that was used before, what a server has kept may be that of before.
            if context.id in live and (begun or not context.renamed):
                owed += context.said.again(live[context.id].characters)
            elif context.id not in live and not begun:
                owed += context.said.anew()
            else:
                context.fail(ContextLost("it could not be taken up over another socket"))
                del self._open[context.id]
                self._leaving.add(context.id)
        self._leaving &= live.keys()
        return [*owed, *(Cancel(name) for name in sorted(self._leaving))]

    def lose(self, error: Exception, *, waited: bool) -> None:
        """Nothing more can be sent or heard. `waited`: as long as the server did."""
        for context in self._open.values():
            lost = error
            if waited and context.started is not None:
                lost = ContextLost("no socket could be had to take it up over")
                lost.__cause__ = error
            context.fail(lost)
        self._open.clear()

    def _leave(self, context: Context) -> None:
        if self._open.pop(context.id, None) is not None:
            self._leaving.add(context.id)
            self._spawn(self.link.send(Cancel(context.id)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def quietly() -> None:
            with suppress(StreamerError, OSError):
                await work

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
