"""The client's side of one context: text in, events out, within bounds.

Knows commands and events; the connection that carries them is two functions passed in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from streamer.errors import ContextConflict, StalledReader
from streamer.timeline import heard_length
from streamer.types import (
    Audio,
    Cancel,
    Command,
    Done,
    End,
    Event,
    Failed,
    Flush,
    Interrupt,
    Interrupted,
    OptionsUpdate,
    Played,
    Report,
    SegmentStarted,
    Started,
    Text,
    Word,
    Words,
)

BUFFER_BYTES = 8 * 1024 * 1024
"""Default bound of what one context holds for its reader: three quarters of an hour of speech in Opus,
or three minutes of 24 kHz PCM, while a server sends about a second ahead."""


class Context:
    """One utterance. Iterate it for its events, once and from one task.

    The last event is `Done` or `Interrupted`; an `error` is raised as its type, after what came before it.
    Cancelling a task that waits for the next event cancels the context on the server. A reader that falls
    behind by more than the bound loses its context, with `StalledReader`: so one slow reader never holds
    up the others on the connection.
    """

    def __init__(
        self,
        id_: str,
        send: Callable[[Command], Awaitable[None]],
        abandon: Callable[[Context], None],
        bound: int,
    ) -> None:
        self.id = id_
        self.started: Started | None = None
        """The format really used, once the server has said it."""
        self._send = send
        self._abandon = abandon
        self._bound = bound
        self._waiting: deque[Event] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._ending: Done | Interrupted | None = None
        self._error: Exception | None = None
        self._raised = False
        self._muted = False
        self.overflowed = False
        self._input: list[str] = []
        self._length = 0
        self._words: list[Word] = []
        self._played_ms: float | None = None

    @property
    def over(self) -> bool:
        """Has it ended, in whatever way?"""
        return self._over.is_set()

    # What its owner says.

    async def push(self, text: str, *, mark: str | None = None, **options: Any) -> None:
        """The next piece of text. Options (`OptionsUpdate`) begin a new segment with it. Raises what the
        context has failed with, `ContextConflict` once it has ended."""
        self._check()
        update = OptionsUpdate(**options) if options else None
        # With its place: text that crosses the end of its context on the wire would else begin another.
        command = Text(self.id, text, self._length, mark, update)
        self._input.append(text)
        self._length += len(text)
        await self._send(command)

    async def flush(self) -> None:
        """Speak what is buffered now."""
        self._check()
        await self._send(Flush(self.id))

    async def end(self) -> None:
        """No more text."""
        self._check()
        await self._send(End(self.id))

    async def played(self, played_ms: float) -> None:
        """Report how far the listener has played."""
        self._played_ms = played_ms
        if not self.over:
            await self._send(Played(self.id, played_ms))

    async def report(self, **figures: Any) -> None:
        """The listener's figures after the end: the fields of `Report`."""
        await self._send(Report(self.id, **figures))

    async def interrupt(self, played_ms: float | None = None) -> Interrupted:
        """Barge-in: stop now and say what was heard; what waits to be read is dropped.

        Also after `Done`, when the listener may still be playing: then the client itself works out what was
        heard, by `played_ms`, else by the last `played`, else all of it. Raises what the context failed
        with, `ContextConflict` if it was cancelled.
        """
        await self._stop(Interrupt(self.id, played_ms))
        if self._error is not None:
            raise self._error
        match self._ending:
            case Interrupted():
                return self._ending
            case Done(reason="cancelled") | None:
                raise ContextConflict("the context was cancelled", param="context")
            case Done():
                return self._heard(self._ending, played_ms)

    async def cancel(self) -> None:
        """Stop and forget; returns when the server has acknowledged, after which nothing more comes."""
        await self._stop(Cancel(self.id))

    # What it hears.

    def __aiter__(self) -> Context:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
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
        event = self._waiting.popleft()
        self._held -= _size(event)
        return event

    def take(self, event: Event) -> None:
        """An event off the wire."""
        if self.over:
            return
        match event:
            case Failed():
                self.fail(event.error)
                return
            case Started():
                self.started = event
            case Words():
                self._words += event.words
            case Done() | Interrupted():
                self._ending = event
                self._over.set()
        if self._muted and not self.over:
            return
        self._waiting.append(event)
        self._held += _size(event)
        self._news.set()
        if self._held > self._bound:
            self.overflowed = not self.over
            self.fail(StalledReader(f"{self._bound} bytes of this context wait to be read"))

    def fail(self, error: Exception | None) -> None:
        """End it without a word of the server: by an error, or abandoned (None)."""
        if not self.over:
            self._error = error
            self._over.set()
            self._news.set()

    async def _stop(self, command: Command) -> None:
        if self.over:
            return
        self._muted = True
        self._waiting.clear()
        self._held = 0
        await self._send(command)
        await self._over.wait()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.over:
            raise ContextConflict("the context has ended", param="context")

    def _heard(self, done: Done, played_ms: float | None) -> Interrupted:
        played_ms = self._played_ms if played_ms is None else played_ms
        played = done.samples
        if played_ms is not None and self.started and self.started.audio.sample_rate:
            played = min(played, round(played_ms * self.started.audio.sample_rate / 1000))
        words = tuple(word for word in self._words if word.end <= played)
        text = "".join(self._input)
        length = len(text) if played == done.samples else heard_length(text, words)
        return Interrupted(self.id, text[:length], words, text[length:], played, "client")


def _size(event: Event) -> int:
    """About what an event takes in memory, in bytes."""
    match event:
        case Audio():
            return 200 + len(event.packet.data)
        case Words():
            return 200 * (1 + len(event.words))
        case SegmentStarted():
            return 300 + 4 * len(event.text)
    return 300
