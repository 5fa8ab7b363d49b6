"""Where in one sequence's sound each of its segments ends: guessed by pauses, and how long a text takes.

The model says neither when a word is spoken nor when a sentence is over, only when everything is. An
aligner that hears the words takes this one's place; until then borders are called estimated.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streamer.text.alignment import expected_seconds
from streamer.types import Samples

HOP_S = 0.02
"""Sound is judged in pieces of this length."""
QUIET = 0.06
"""A hop is quiet below this part of the loudest so far (-24 dB): breath and room are, unstressed vowels
are not."""
PAUSE_S = 0.12
"""A closure of a plosive is up to 0.1 s long and no pause."""
EARLIEST, LATEST = 0.6, 1.6
"""Of the expected length of a segment: no pause before it, and nothing but the next segment behind it."""
LEARNING = 0.3
"""How much of a voice's tempo the latest sequence decides."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound of the segment that was added as number `segment`; `last` ends it."""

    segment: int
    samples: Samples
    last: bool = False


class Aligner(Protocol):
    """Sound in, the same sound out in pieces of its segments, in order; each segment ends once."""

    def add(self, text: str) -> None:
        """The next segment's text, or more of the latest one's."""
        ...

    def close(self) -> None:
        """The latest segment's text is whole: what is added next begins another."""
        ...

    def push(self, samples: Samples) -> list[Piece]: ...

    def flush(self, whole: bool = True) -> list[Piece]:
        """The end of the sound, and of every segment that was added. `whole`: all of them was spoken."""
        ...


@dataclass
class Tempo:
    """How fast a voice has turned out to speak: seconds it takes for one that was expected."""

    factor: float = 1.0

    def heard(self, seconds: float, expected: float) -> None:
        """Learn from a sequence that was spoken to its end."""
        if expected > 0 and seconds > 0:
            ratio = min(2.5, max(0.4, seconds / expected))
            self.factor += LEARNING * (ratio - self.factor)


@dataclass
class _Open:
    text: str = ""
    whole: bool = False
    expected_s: float = 0.0

    def add(self, text: str) -> None:
        self.text += text
        self.expected_s = expected_seconds(self.text)


class Pauses:
    """An `Aligner` that knows only loudness and how long a text should take."""

    def __init__(self, sample_rate: int, tempo: Tempo | None = None) -> None:
        self._rate = sample_rate
        self._tempo = tempo or Tempo()
        self._hop = round(HOP_S * sample_rate)
        self._waiting: deque[_Open] = deque()
        self._segment = 0
        self._added = ""
        self._rest = np.zeros(0, np.float32)
        self._taken = 0
        self._total = 0
        self._loudest = 0.0
        self._quiet = 0

    def add(self, text: str) -> None:
        if not self._waiting or self._waiting[-1].whole:
            self._waiting.append(_Open())
        self._waiting[-1].add(text)
        self._added += text

    def close(self) -> None:
        if self._waiting:
            self._waiting[-1].whole = True

    def push(self, samples: Samples) -> list[Piece]:
        """Whole hops; what is left of one waits for its rest, at most `HOP_S`."""
        sound = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        hops = len(sound) // self._hop
        if not self._waiting:
            raise ValueError("sound of no segment")
        self._rest = sound[hops * self._hop :].copy()
        pieces: list[Piece] = []
        begun = 0
        levels = np.sqrt(np.mean(sound[: hops * self._hop].reshape(hops, self._hop) ** 2, axis=1))
        for hop, level in enumerate(levels.tolist()):
            if self._ends_before(level):
                pieces.append(self._piece(sound[begun * self._hop : hop * self._hop], last=True))
                begun = hop
            self._hear(level)
        if begun < hops:
            pieces.append(self._piece(sound[begun * self._hop : hops * self._hop]))
        return pieces

    def flush(self, whole: bool = True) -> list[Piece]:
        """All that is left belongs to the segment that is being spoken; others that never began end
        without a sample. The tempo is learnt from what is whole."""
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        self._total += len(rest)
        if whole:
            self._tempo.heard(self._total / self._rate, expected_seconds(self._added))
        pieces = []
        while self._waiting:
            pieces.append(self._piece(rest, last=True))
            rest = rest[:0]
        return pieces

    def _piece(self, samples: Samples, last: bool = False) -> Piece:
        piece = Piece(self._segment, samples, last)
        if last:
            self._waiting.popleft()
            self._segment += 1
            self._taken = self._quiet = 0
        return piece

    def _ends_before(self, level: float) -> bool:
        """Whether the segment being spoken ended before a hop of this level."""
        if len(self._waiting) < 2:
            return False
        expected = self._waiting[0].expected_s * self._tempo.factor * self._rate
        if self._taken >= LATEST * expected:
            return True
        resumes = level > QUIET * self._loudest and self._quiet >= PAUSE_S * self._rate
        return resumes and self._taken >= EARLIEST * expected

    def _hear(self, level: float) -> None:
        self._taken += self._hop
        self._total += self._hop
        self._loudest = max(self._loudest, level)
        self._quiet = self._quiet + self._hop if level <= QUIET * self._loudest else 0
