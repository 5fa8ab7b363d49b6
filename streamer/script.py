"""The text half of a session: the client's input becomes lines, each a segment ready for its engine.

The queue of cuts and lines, and who waits for them; knows nothing of sound.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from streamer.config import Settings
from streamer.engines.base import Lead
from streamer.errors import (
    ContextConflict,
    LanguageNotSupported,
    StreamerError,
    TextGap,
    TextLimit,
)
from streamer.lines import Cut, Line, Lines
from streamer.text.alignment import SpannedText
from streamer.text.lexicon import Lexicon
from streamer.text.segmenter import Segmenter, Span
from streamer.types import Options, Reason, Segment, Start, Text
from streamer.voices import Catalogue, can_speak
from streamer.wishes import Wishes

PAUSE_MARGIN_S = 0.4
"""A pause of the input cuts only when the listener has no more than this left: until then a whole
sentence may still come, and sounds better."""
LATER_S = 0.005
"""A clock may ring so early."""


class Script:
    """Text in, `Line`s out, in order. `text`, `flush` and `end` never wait; `next` does."""

    def __init__(
        self,
        start: Start,
        catalogue: Catalogue,
        settings: Settings,
        clock: Callable[[], float],
        lead: Lead,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lead = lead
        self._segmenter = Segmenter(
            start.cut,
            start.options.language or "auto",
            first_clause_words=settings.first_clause_words,
        )
        self.wishes = Wishes(start, catalogue)
        self._lines = Lines(catalogue, Lexicon(start.lexicon))
        self._segmenter.onward = self.wishes.now.engine.granularity == "word"
        self._input: list[str] = []
        self.received = 0
        """Code points of the input so far."""
        self.spoken = 0
        """Code points handed to an engine so far."""
        self.first_text_at: float | None = None
        self.last_text_at = clock()
        self._cuts: deque[Cut] = deque()
        self._head: Line | None = None
        self._passed = 0
        """Code points that wait no more: spoken, or nothing to hear."""
        self._paused_at = 0
        self._ended = False
        self._failure: StreamerError | None = None
        self._wake = asyncio.Event()

    @property
    def input(self) -> str:
        """The whole input so far."""
        self._input = ["".join(self._input)]
        return self._input[0]

    @property
    def pending(self) -> int:
        """Code points of the input that wait: neither spoken nor passed over, nor space before a
        sentence that has not begun."""
        waiting = self.received - self._passed
        return waiting if self._cuts else min(waiting, len(self._segmenter.pending))

    @property
    def waiting(self) -> bool:
        """Whether text has been cut that nobody has taken."""
        return self._head is not None or bool(self._cuts)

    @property
    def finished(self) -> bool:
        """Whether no line will come after those already taken."""
        return (self._ended or self._failure is not None) and not self.waiting

    def text(self, command: Text) -> None:
        """Take the next piece of input. Raises a typed error and takes nothing, or takes it all."""
        if self._ended:
            if command.at is not None and command.at + len(command.text) <= self.received:
                return  # said again, over another socket
            raise ContextConflict("text after end", param="text")
        if self._failure is not None:
            return  # the context ends by that, as soon as what came before has been spoken
        piece = command.text
        if command.at is not None:
            if command.at > self.received:
                raise TextGap(
                    f"text at {command.at}, expected {self.received}",
                    param="at",
                    expected=self.received,
                )
            piece = self._new(command)
        limit = self._settings.max_pending_chars
        if self.pending + len(piece) > limit:
            raise TextLimit(f"more than {limit} characters wait", param="text", limit=limit)
        limit = self._settings.max_context_chars
        if self.received + len(piece) > limit:
            raise TextLimit(f"more than {limit} characters in all", param="text", limit=limit)
        if command.options is not None:
            wish = self.wishes.updated(command.options)
            self._cut(self._segmenter.flush("options"))
            self.wishes.now = wish
            self._segmenter.onward = wish.engine.granularity == "word"
            self._wake.set()
        if not piece:
            return
        self.last_text_at = self._clock()
        if self.first_text_at is None:
            self.first_text_at = self.last_text_at
        self._input.append(piece)
        self.received += len(piece)
        self._cut(self._segmenter.push(piece))
        self._wake.set()

    def flush(self, reason: Reason = "flush") -> None:
        """Speak what is buffered."""
        self.last_text_at = self._clock()
        self._cut(self._segmenter.flush(reason))
        self._wake.set()

    def end(self) -> None:
        """No more text comes."""
        if not self._ended:
            self.flush("end")
            self._ended = True

    async def peek(self) -> Line | None:
        """The next line without taking it; None when there will be none. Waits for text, and after a
        pause of the input lets the segmenter decide what it may."""
        while self._head is None and self._failure is None:
            if self._cuts:
                self._head = self._line(self._cuts.popleft())
            elif self._ended:
                return None
            elif (line := self._opened()) is not None:
                self._head = line
            else:
                await self._more_text()
        return self._head

    async def piece(self, line: Line) -> Segment:
        """The next piece of the open line that was taken last. Waits for text; whoever is cancelled here
        loses none. A pause of the input ends the line only where that may be the end of a sentence."""
        while (piece := self._next_piece(line)) is None:
            await self._more_text(between_words=False)
        return piece

    def wake(self) -> None:
        """How much the listener has left is another than was thought."""
        self._wake.set()

    async def _more_text(self, *, between_words: bool = True) -> None:
        self._wake.clear()
        if not self._segmenter.pending.strip() or self._paused_at == self.received:
            await self._wake.wait()
            return
        pause = self._pause_left()
        try:
            # Not wait_for: until Python 3.12 it loses a cancellation that comes right after a text.
            async with asyncio.timeout(pause if pause < math.inf else None):
                await self._wake.wait()
        except TimeoutError:
            if self._pause_left() > LATER_S:
                return
            self._paused_at = self.received
            self._cut(self._segmenter.pause(between_words=between_words))

    def _pause_left(self) -> float:
        """How much longer the input may pause."""
        pause = self.last_text_at + self._settings.text_pause_ms / 1000 - self._clock()
        return max(0.0, pause, self._lead() - PAUSE_MARGIN_S)

    def take(self) -> Line:
        """Take the line that `peek` showed."""
        line, self._head = self._head, None
        if line is None:
            raise ContextConflict("no line to take")
        self.spoken = line.end
        return line

    def rehearse(self) -> list[Line]:
        """Pass over all that has been cut, as if it had been spoken. Raises what stops the script."""
        lines = []
        while self._cuts:
            if (line := self._line(self._cuts.popleft())) is not None:
                lines.append(line)
        self.check()
        return lines

    def foreign(self, command: Text, options: Options) -> int:
        """How many characters, this text's and those before it that are not cut, may be another engine's
        to speak, since the voice that is asked for can't; 0: none."""
        before = "" if command.options else self._segmenter.pending
        uncut = before + self._new(command)
        text = self._lines.said(uncut).text
        return 0 if can_speak(text, options.voice, options.language) else len(uncut)

    def check(self) -> None:
        """Raise what stopped the script, once everything before it has been spoken."""
        if self._failure is not None:
            raise self._failure

    def _new(self, command: Text) -> str:
        """What of a text has not come before."""
        return command.text if command.at is None else command.text[self.received - command.at :]

    def _cut(self, spans: list[Span]) -> None:
        now, wish = self._clock(), self.wishes.now
        self._cuts.extend(Cut(span, wish, self.last_text_at, now) for span in spans)

    def _line(self, cut: Cut) -> Line | None:
        """The line of a cut; None where nothing in it can be heard, or nobody here can say it."""
        self._passed = cut.span.offset + len(cut.span.text)
        try:
            return self._lines.whole(cut)
        except LanguageNotSupported as error:
            self._failure = error
            self._cuts.clear()
            return None

    def _opened(self) -> Line | None:
        """The line that has begun, for an engine that takes text while it comes; None as long as there is
        no whole word of it, or where it is another engine's to say: that depends on all of it."""
        wish = self.wishes.now
        if wish.engine.granularity != "word":
            return None
        sure = Span(*self._segmenter.sure, "sentence")
        line = self._lines.begun(Cut(sure, wish, self.last_text_at, self._clock()))
        if line is not None:
            self._passed = line.end
        return line

    def _next_piece(self, line: Line) -> Segment | None:
        """What is new of an open line, None if nothing is."""
        if self._cuts:
            return self._last_piece(line, self._cuts.popleft())
        sure = Span(*self._segmenter.sure, "sentence")
        span, text = self._lines.so_far(sure)
        if len(text) <= len(line.text):
            return None
        if at := line.turn(sure.text, text):
            self._cut(self._segmenter.split(sure.offset + at))
            return self._last_piece(line, self._cuts.popleft())
        return self._grown(line, span, text, self._clock(), more=True)

    def _last_piece(self, line: Line, cut: Cut) -> Segment:
        """The rest of an open line, up to where it was cut, or another voice has to go on."""
        span, text = cut.span, self._lines.said(cut.span.text)
        if at := line.turn(span.text, text):
            rest = span.text[at:].lstrip()
            begin = span.offset + len(span.text) - len(rest)
            self._cuts.appendleft(replace(cut, span=Span(rest, begin, span.reason)))
            span = Span(span.text[:at].rstrip(), span.offset, "language")
        if span.reason == "language":
            text = line.text
        return self._grown(line, span, text, cut.at, more=False)

    def _grown(
        self, line: Line, span: Span, text: SpannedText, at: float, *, more: bool
    ) -> Segment:
        piece = line.grow(span, text, at, more=more)
        self._passed = self.spoken = line.end
        return piece
