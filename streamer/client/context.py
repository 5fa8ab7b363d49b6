"""The client's side of one context: text in, events out, within bounds.

Knows commands and events; what carries them is passed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from streamer.client.heard import Heard
from streamer.client.said import Said
from streamer.client.unread import Unread
from streamer.errors import ContextConflict, NotAvailable, StalledReader, TextLimit
from streamer.types import (
    Cancel,
    Command,
    Continue,
    Continued,
    Done,
    Event,
    Failed,
    Interrupt,
    Interrupted,
    OptionsUpdate,
    Pause,
    Paused,
    Played,
    Report,
    Start,
    Started,
    Subscribe,
)

BUFFER_BYTES = 8 * 1024 * 1024
"""Default bound of what one context holds for its reader: three quarters of an hour of speech in Opus,
or three minutes of 24 kHz PCM, while a server sends about a second ahead."""


class Wire(Protocol):
    """What carries commands to the server."""

    async def send(self, command: Command) -> None:
        """Raises what the connection ended with. While a lost socket has no successor yet, it returns at
        once, and the command is sent later."""

    def room(self, text: str) -> bool:
        """May a text, or a cue of it, wait to be sent?"""
        ...


class Context:
    """One utterance, or what is heard of a channel, of which it can be iterated, interrupted and cancelled
    alone. Iterate it for its events, once and from one task.

    The last event is `Done` or `Interrupted`; an `error` is raised as its type, after what came before it:
    `ContextLost` where a lost socket was the end of it. Cancelling a task that waits for the next event
    cancels the context on the server. A reader that falls behind by more than the bound loses its
    context, with `StalledReader`: so one slow reader never holds up the others on the connection.
    """

    def __init__(
        self, start: Start | Subscribe, wire: Wire, abandon: Callable[[Context], None], bound: int
    ) -> None:
        self.id = start.context
        self.said = Said(start, bound)
        self.started: Started | None = None
        """The format really used, once the server has said it."""
        self.renamed = False
        """Another context of this name was there before, on this connection."""
        self._wire = wire
        self._abandon = abandon
        self._bound = bound
        self._unread = Unread()
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._answered = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ending: Done | Interrupted | None = None
        self._error: Exception | None = None
        self._raised = False
        self._muted = False
        self.overflowed = False
        self._heard = Heard(self.said)
        self._paused: Paused | None = None
        self._continued: Continued | None = None

    @property
    def over(self) -> bool:
        """Has it ended, in whatever way?"""
        return self._over.is_set()

    # What its owner says.

    async def push(self, text: str, *, mark: str | None = None, **options: Any) -> None:
        """The next piece of text. Options (`OptionsUpdate`) begin a new segment with it. Raises what the
        context has failed with, `ContextConflict` once it has ended, `TextLimit` where no socket is open
        and too much text waits for one."""
        self._check(text)
        update = OptionsUpdate(**options) if options else None
        await self._wire.send(self.said.piece(text, mark, update))

    async def cue(
        self,
        text: str,
        start_ms: float | None = None,
        end_ms: float | None = None,
        id: str = "",
        voice: str | None = None,
    ) -> str:
        """One cue of a context of captions, with times of the caption clock; without them it is spoken when
        it comes. Returns its id, made here where none is given; the same again extends or corrects it. Raises
        as `push`, `TextLimit` also where too many wait to be spoken, `ContextConflict` in one of text."""
        self._check(text)
        cue = self.said.cue(text, id, start_ms, end_ms, voice)
        await self._wire.send(cue)
        return cue.id

    async def flush(self) -> None:
        """Speak what is buffered now."""
        self._check()
        await self._wire.send(self.said.flush())

    async def end(self) -> None:
        """No more text."""
        self._check()
        await self._wire.send(self.said.end())

    async def played(self, played_ms: float) -> None:
        """Report how far the listener has played."""
        self.said.played = Played(self.id, played_ms)
        if not self.over:
            await self._wire.send(self.said.played)

    async def report(self, **figures: Any) -> None:
        """The listener's figures after the end: the fields of `Report`."""
        await self._wire.send(Report(self.id, **figures))

    async def pause(self, played_ms: float | None = None) -> Paused:
        """Have it stop and say what was heard; it can `go_on`. What waits to be read and was not heard is
        dropped: it comes again.

        Also after `Done`, when the listener may still be playing: the client itself works out what was
        heard then, as `interrupt` does, and playing on is the listener's own affair. Raises as
        `interrupt` does, `ContextConflict` if the context was interrupted, `NotAvailable` of captions and of
        channels, whose clock does not stop.
        """
        self._check_pauses()
        async with self._turn:
            if not self.over:
                await self._ask(Pause(self.id, played_ms))
            if self._error is not None:
                raise self._error
            if isinstance(self._ending, Interrupted):
                raise ContextConflict("the context was interrupted", param="context")
            if self._paused is None:
                if played_ms is not None:
                    self.said.played = Played(self.id, played_ms)
                self._paused = Paused(*self._heard.until(played_ms, self._ending, None))
            return self._paused

    async def go_on(self) -> Continued | None:
        """End a pause. Iterating yields `Continued`, then what was not heard again. None, and nothing
        comes, where there was no pause or the context has ended: by `Done` all has been sent. Raises
        what it failed with, and `NotAvailable` as `pause` does."""
        self._check_pauses()
        async with self._turn:
            before = self._continued
            if self.over:
                self._paused = None
            elif self._paused is not None or Pause in map(type, self.said.asked):
                await self._ask(Continue(self.id))
            if self._error is not None:
                raise self._error
            return None if self._continued is before else self._continued

    async def interrupt(self, played_ms: float | None = None) -> Interrupted:
        """Barge-in: stop now and say what was heard; what waits to be read is dropped. After a `pause` it
        is what that said.

        Also after `Done`, when the listener may still be playing: then the client itself works out what was
        heard, by `played_ms`, else by the last `played`, else all of it. Raises what the context failed
        with, `ContextConflict` if it was cancelled.
        """
        await self._stop(Interrupt(self.id, played_ms))
        if self._error is not None:
            raise self._error
        if isinstance(self._ending, Interrupted):
            return self._ending
        return Interrupted(*self._heard.until(played_ms, self._ending, self._paused))

    async def cancel(self) -> None:
        """Stop and forget; returns when the server has acknowledged, after which nothing more comes."""
        await self._stop(Cancel(self.id))

    # What it hears.

    def __aiter__(self) -> Context:
        return self

    async def __anext__(self) -> Event:
        while not self._unread:
            if self.over:
                if self._error is None or self._raised:
                    raise StopAsyncIteration
                self._raised = True
                raise self._error
            self._news.clear()
            try:
                await self._news.wait()
            except asyncio.CancelledError:
                self._abandon(self)
                raise
        return self._unread.get()

    def take(self, event: Event) -> None:
        """An event off the wire."""
        if self.over:
            return
        self.said.answered(event)
        self._heard.take(event)
        match event:
            case Failed():
                self.fail(event.error)
                return
            case Started():
                self.started = event
            case Paused():
                self._answered.set()
                if event == self._paused:  # asked again over another socket, it says the same
                    return
                self._pause(event)
            case Continued():
                self._answered.set()
                self._paused, self._continued = None, event
            case Done() | Interrupted():
                self._ending = event
                self._over.set()
                self._answered.set()
        if self._muted and not self.over:
            return
        self._unread.put(event)
        self._news.set()
        if self._unread.held > self._bound:
            self.overflowed = not self.over
            self.fail(StalledReader(f"{self._bound} bytes of this context wait to be read"))

    def fail(self, error: Exception | None) -> None:
        """End it without a word of the server: by an error, or abandoned (None)."""
        if not self.over:
            self._error = error
            self._over.set()
            self._answered.set()
            self._news.set()

    def _pause(self, paused: Paused) -> None:
        """Forget what comes again after the pause: what begins with or behind the first word not heard."""
        self._paused = paused
        self._unread.rewind(paused, self._heard.rewind(paused))

    async def _ask(self, command: Pause | Continue) -> None:
        """Say it, and wait for the answer, or the end."""
        self.said.ask(command)
        await self._wire.send(command)
        while not self.over and (self._muted or command in self.said.asked):
            self._answered.clear()
            await self._answered.wait()

    async def _stop(self, command: Interrupt | Cancel) -> None:
        if self.over:
            return
        self._muted = True
        self._unread.clear()
        self.said.ask(command)
        await self._wire.send(command)
        await self._over.wait()

    def _check(self, text: str = "") -> None:
        """May something be said?"""
        if isinstance(self.said.start, Subscribe):
            raise NotAvailable("a channel is only listened to", param="type")
        if self._error is not None:
            raise self._error
        if self.over:
            raise ContextConflict("the context has ended", param="context")
        if text and not self._wire.room(text):
            raise TextLimit("too much text waits for a socket to be sent over", param="text")

    def _check_pauses(self) -> None:
        if self.said.clocked:
            raise NotAvailable("captions and channels can't be paused", param="type")
