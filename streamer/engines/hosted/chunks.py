"""Sound of a request made into chunks: the silence before it dropped, cut the same however it came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streamer.audio.level import trim
from streamer.protocols.hosted import SAMPLE_RATE, SpokenWord
from streamer.text.alignment import client_words
from streamer.types import PcmChunk, Samples, Word

FIRST = SAMPLE_RATE // 100
EARLY = SAMPLE_RATE // 50
USUAL = SAMPLE_RATE * 6 // 100
"""Samples of a chunk: of the first, so that the first packet is not made to wait for a whole one; then of
those that come while a listener has less in hand than a usual chunk takes to come from a provider hardly
faster than real time; then of the rest."""
FIRST_COUNT = 30
EARLY_COUNT = 70
SILENCE_S = 10.0
"""So much of the silence at the start is dropped at most."""
_NOTHING: Samples = np.zeros(0, np.float32)


class Chunks:
    """One segment. `push` and `flush` give chunks of fixed sizes, `flush` the last one."""

    def __init__(self, segment: int, text: str) -> None:
        self._segment = segment
        self._text = text
        self._held = _NOTHING
        self._quiet = True
        self._made = 0
        self._dropped = 0
        self._words: tuple[SpokenWord, ...] = ()
        self._worded = False
        self._total: int | None = None
        self.pushed = 0
        """Samples."""

    @property
    def silent(self) -> bool:
        """Whether nothing has been heard yet."""
        return self._quiet

    def words(self, words: tuple[SpokenWord, ...]) -> None:
        """The provider's times, from the start of all its sound."""
        self._words = words

    def expect(self, total: int) -> None:
        """So many samples will be pushed in all."""
        self._total = total

    def push(self, samples: Samples) -> Iterator[PcmChunk]:
        self.pushed += len(samples)
        self._held = np.concatenate((self._held, samples)) if len(self._held) else samples
        if self._quiet:
            self._drop()
        if not self._quiet and not self._words:
            yield from self._cut()

    def flush(self) -> Iterator[PcmChunk]:
        placed = place(self._text, self._words, self._dropped, len(self._held))
        yield from self._cut(placed)
        words = () if self._worded else placed
        yield self._chunk(self._held, words, last=True)

    def _size(self) -> int:
        if self._made < FIRST_COUNT:
            return FIRST
        return EARLY if self._made < EARLY_COUNT else USUAL

    def _drop(self) -> None:
        start, end = trim(self._held, SAMPLE_RATE)
        if end or self._dropped + len(self._held) > SILENCE_S * SAMPLE_RATE:
            self._quiet = False
        else:  # keep what may stand before a sound that begins next
            start = max(0, len(self._held) - SAMPLE_RATE // 100)
        self._dropped += start
        self._held = self._held[start:]

    def _cut(self, words: Sequence[Word] = ()) -> Iterator[PcmChunk]:
        while len(self._held) >= (size := self._size()):
            told = () if self._worded else tuple(words)
            self._worded = self._worded or bool(told)
            yield self._chunk(self._held[:size], told)
            self._held = self._held[size:]
            self._made += 1

    def _chunk(self, samples: Samples, words: tuple[Word, ...], *, last: bool = False) -> PcmChunk:
        total = None
        if self._total is not None and not self._words:
            total = self._total - self._dropped
        return PcmChunk(samples, self._segment, words, last=last, total=total)


def place(text: str, spoken: Sequence[SpokenWord], dropped: int, samples: int) -> tuple[Word, ...]:
    """A provider's words as those of the text, in samples of what is left of the sound; nothing where the
    two can't be matched, or the times are none."""
    spans: list[tuple[int, int, float, float]] = []
    at = 0
    folded = text.casefold()
    if len(folded) != len(text):
        folded = text
    for word in spoken:
        said = word.text.strip().casefold()
        found = folded.find(said, at) if said else -1
        if found < 0:
            continue
        spans.append((found, found + len(said), word.start_s, word.end_s))
        at = found + len(said)
    placed: list[Word] = []
    before = 0
    for offset, name in client_words(text):
        times = [span for span in spans if span[0] < offset + len(name) and span[1] > offset]
        if not times:
            return ()
        start = round(times[0][2] * SAMPLE_RATE) - dropped
        end = round(times[-1][3] * SAMPLE_RATE) - dropped
        start, end = max(before, start), min(samples, end)
        if end <= start:
            return ()
        placed.append(Word(name, start, end, offset))
        before = end
    return tuple(placed)
