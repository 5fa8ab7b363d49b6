"""What was told of one context, so that the client can say what was heard when the server is done with it."""

from __future__ import annotations

from collections import deque
from typing import Literal, TypeAlias

from streamer.client.said import Said
from streamer.errors import ContextConflict
from streamer.timeline import heard_length
from streamer.types import (
    Done,
    Event,
    Interrupted,
    Paused,
    SegmentStarted,
    Start,
    Started,
    Word,
    Words,
)

WORDS = 20_000
"""Most words that are kept of captions, which may go on for days: about two hours."""

WhatWasHeard: TypeAlias = tuple[str, str, tuple[Word, ...], str, int, Literal["client", "server"]]
"""The fields of `Heard`."""


class Heard:
    """Of what `said` began. Nothing is kept of a channel: its listener has no input of its own."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._captions = isinstance(said.start, Start) and said.start.input == "captions"
        self._listens = not isinstance(said.start, Start)
        self._rate: int | None = None
        self._words: deque[Word] = deque(maxlen=WORDS if self._captions else None)
        self._segments: list[tuple[int, str]] = []

    def take(self, event: Event) -> None:
        match event:
            case Started():
                self._rate = event.audio.sample_rate
            case Words() if not self._listens:
                self._words += event.words
            case SegmentStarted() if self._captions:
                self._segments.append((event.offset, event.text))

    def rewind(self, paused: Paused) -> int:
        """Forget what comes again after a pause. The sample at which it begins."""
        played = paused.played
        begin = next((word.start for word in self._words if word.end > played), played)
        kept = [word for word in self._words if word.end <= played]
        self._words.clear()
        self._words += kept
        return begin

    def until(
        self, played_ms: float | None, ending: Done | Interrupted | None, paused: Paused | None
    ) -> WhatWasHeard:
        """After the end. Raises `ContextConflict` if it was cancelled."""
        context = self._said.start.context
        if not isinstance(ending, Done) or ending.reason == "cancelled":
            raise ContextConflict("the context was cancelled", param="context")
        if paused is not None:
            heard = (paused.heard_text, paused.heard_words, paused.unspoken_text)
            return context, *heard, paused.played, paused.clock
        if played_ms is None and self._said.played is not None:
            played_ms = self._said.played.played_ms
        played = ending.samples
        if played_ms is not None and self._rate:
            played = min(played, round(played_ms * self._rate / 1000))
        words = tuple(word for word in self._words if word.end <= played)
        text = self._text()
        length = len(text) if played == ending.samples else heard_length(text, words)
        return context, text[:length], words, text[length:], played, "client"

    def _text(self) -> str:
        """The input: of captions what was spoken of it, where the server alone knows the rest."""
        if not self._captions:
            return self._said.text
        pieces, length = [], 0
        for offset, text in sorted(self._segments):
            pieces += ["\n" * (offset - length), text[max(0, length - offset) :]]
            length = max(length, offset + len(text))
        return "".join(pieces)
