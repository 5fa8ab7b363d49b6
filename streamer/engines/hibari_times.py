"""When each word of the embedded voice is heard: from the durations of phonemes to samples.

Knows phonemes' owners and levels of sound, neither the network nor text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streamer.engines.hibari_model import Ints
from streamer.engines.hibari_sound import HOP
from streamer.engines.hibari_words import NOBODY
from streamer.types import Samples, Word

Levels: TypeAlias = npt.NDArray[np.float32]

_SOUND_FIRST = 3
"""So many hops before a phoneme's time its sound begins: the median of first words of 24 sentences."""
_FALLEN_DB = 30.0
"""A word before a pause ends where the level stays so far below the word's loudest hop: the network
gives the pause to the word's last phoneme."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word with phonemes. `start` and `end` in hops of its utterance; `pauses`: a mark or the end
    follows, so that its last phoneme may hold silence."""

    index: int
    start: int
    end: int
    pauses: bool


def spoken_words(owners: Sequence[int], edges: Ints) -> list[SpokenWord]:
    """The words of an utterance in order. `edges` are those of its plan."""
    at = np.maximum(edges - _SOUND_FIRST, 0)
    bounds: dict[int, tuple[int, int]] = {}
    for phoneme, owner in enumerate(owners):
        if owner != NOBODY:
            bounds[owner] = bounds.get(owner, (phoneme, 0))[0], phoneme + 1
    found = sorted(bounds.items())
    starts = [*(first for _, (first, _) in found[1:]), len(owners)][: len(found)]
    return [
        # Between two words without a pause there is a single space.
        SpokenWord(index, int(at[first]), int(at[end]), pauses=following - end > 1)
        for (index, (first, end)), following in zip(found, starts, strict=True)
    ]


def levels(sound: Samples) -> Levels:
    """Mean level of each hop in dBFS: (samples // 300,)."""
    power = np.square(sound[: len(sound) // HOP * HOP].reshape(-1, HOP)).mean(axis=1)
    decibels: Levels = 10 * np.log10(power + np.float32(1e-12))
    return decibels


class WordClock:
    """Places the words of a segment, stretch by stretch, in order, each once, never overlapping.

    A word without phonemes stands with no length between its neighbours.
    """

    def __init__(self, words: Sequence[tuple[int, str]]) -> None:
        self._words = words
        self._next = 0
        self._now = 0

    def place(
        self,
        spoken: Iterable[SpokenWord],
        first_hop: int,
        loud: Levels,
        zero: int,
        length: int,
    ) -> tuple[Word, ...]:
        """The words that begin in the stretch from `first_hop`, of the levels `loud`. `zero` is the sample
        of the segment at which hop 0 would be, `length` the samples of the segment up to the stretch's
        end, beyond which no word goes."""
        placed: list[Word] = []
        for word in spoken:
            if word.index < self._next:
                continue
            end = word.end
            if word.pauses:
                end = word.start + _sounding_hops(loud[word.start - first_hop : end - first_hop])
            start = min(max(zero + word.start * HOP, self._now), length)
            placed += self._unspoken(word.index, start)
            self._now = min(max(zero + end * HOP, start), length)
            placed.append(self._word(start, self._now))
        return tuple(placed)

    def rest(self, length: int) -> tuple[Word, ...]:
        """The words left over at the end of the segment: without phonemes, all of them."""
        return tuple(self._unspoken(len(self._words), max(self._now, length)))

    def _unspoken(self, until: int, sample: int) -> list[Word]:
        return [self._word(sample, sample) for _ in range(until - self._next)]

    def _word(self, start: int, end: int) -> Word:
        offset, text = self._words[self._next]
        self._next += 1
        return Word(text, start, end, offset)


def _sounding_hops(loud: Levels) -> int:
    """How many hops it is until the sound has fallen for good."""
    if not len(loud):
        return 0
    above = np.flatnonzero(loud > loud.max() - _FALLEN_DB)
    return int(above[-1]) + 1
