"""Guessed word times, told while the sound they lie in still comes, and never taken back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streamer.text.alignment import SYLLABLE_S, client_words, weights
from streamer.types import Word

_UNHEARD = 10.0
"""Syllables: what `SYLLABLE_S` counts for beside those that have been heard."""
_COME = 0.8
"""Of a sound whose end has not come, at most so much has."""
HELD_S = 0.25
"""While the end is unknown, so much of the sound is left to the words that are still to come: it may be all
there is for them."""


@dataclass(slots=True)
class Tempo:
    """How fast a voice speaks, at speed 1, as far as it has been heard."""

    seconds: float = 0.0
    syllables: float = 0.0

    @property
    def syllable_s(self) -> float:
        return (SYLLABLE_S * _UNHEARD + self.seconds) / (_UNHEARD + self.syllables)

    def heard(self, seconds: float, syllables: float) -> None:
        self.seconds += seconds
        self.syllables += syllables


class Estimate:
    """The words of one segment, each told once, in order, none before the end of the one before it.

    `per_second`: samples of a second at speed 1. With the length known from the first push it tells what
    `alignment.estimate` does; else what it told stays, and the rest is laid over what is left.
    """

    def __init__(self, text: str, per_second: float, tempo: Tempo) -> None:
        lengths = weights(text)
        self._text = text
        self.syllables = sum(spoken + silent for spoken, silent in lengths)
        self._waiting = deque(zip(client_words(text), lengths, strict=True))
        self._syllable = tempo.syllable_s * per_second
        self._per_second = per_second
        self._length: int | None = None
        """Of all the sound, as it is seen now: the words behind `_anchor` are laid over the rest of it."""
        self._anchor = 0.0
        self._left = self.syllables
        """Behind the anchor."""
        self._told = 0.0
        """Of these."""
        self._end = 0
        """Of the last word that was told."""

    @property
    def begun(self) -> bool:
        """Whether a word has been told."""
        return self._told > 0 or self._anchor > 0

    def grow(self, text: str) -> None:
        """The text goes on: it is this by now."""
        if text == self._text:
            return
        told = len(client_words(self._text)) - len(self._waiting)
        lengths = weights(text)
        self._text = text
        self.syllables = sum(spoken + silent for spoken, silent in lengths)
        self._waiting = deque(list(zip(client_words(text), lengths, strict=True))[told:])
        if self._length is not None:
            self._anchor = max(self._end, self._at(self._told))
        self._told = 0.0
        self._left = sum(spoken + silent for _, (spoken, silent) in self._waiting)
        self._length = None

    def push(
        self, taken: int, total: int | None = None, *, held_s: float = HELD_S
    ) -> tuple[Word, ...]:
        """The words that may be told now that `taken` samples are there, of `total` if that is known: then
        those that begin in them, else those that have ended `held_s` before."""
        held = held_s * self._per_second
        self._see(self._likely(taken) if total is None else total)
        words = []
        while self._waiting:
            word = self._next()
            if word.start >= taken if total is not None else word.end > taken - held:
                break
            words.append(self._tell(word))
        return tuple(words)

    def flush(self, total: int) -> tuple[Word, ...]:
        """The rest of them, now that all the sound is there."""
        self._see(total)
        return self._rest()

    def guess(self, taken: int) -> tuple[Word, ...]:
        """The rest of them, though no more than `taken` samples come."""
        self._see(self._likely(taken))
        return self._rest()

    def _likely(self, taken: int) -> int:
        return round(max(taken / _COME, self._anchor + self._left * self._syllable))

    def _see(self, length: int) -> None:
        """The sound will be so long."""
        length = max(length, self._end)
        if self._length not in (None, length):
            self._anchor = max(self._end, min(self._at(self._told), length))
            self._left -= self._told
            self._told = 0.0
        self._length = length

    def _at(self, syllables: float) -> float:
        """Where so much behind the anchor lies."""
        assert self._length is not None
        return self._anchor + syllables / (self._left or 1.0) * (self._length - self._anchor)

    def _next(self) -> Word:
        (offset, text), (spoken, _) = self._waiting[0]
        start = max(self._end, round(self._at(self._told)))
        return Word(text, start, max(start, round(self._at(self._told + spoken))), offset)

    def _tell(self, word: Word) -> Word:
        _, (spoken, silent) = self._waiting.popleft()
        self._told += spoken + silent
        self._end = word.end
        return word

    def _rest(self) -> tuple[Word, ...]:
        return tuple(self._tell(self._next()) for _ in range(len(self._waiting)))
