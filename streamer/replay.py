"""What may have to be said again behind a pause: sound that was not played, segments and words in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from streamer.timeline import Timeline
from streamer.types import Samples, SegmentStarted, Timing, Word

FADE_S = 0.005
"""Sound that is gone on with begins so softly."""


class Ring:
    """The latest sound of a context, by reference. Positions are samples since its beginning."""

    def __init__(self) -> None:
        self._pieces: deque[Samples] = deque()
        self.start = 0
        """Of the oldest sample there is."""
        self.end = 0

    def append(self, samples: Samples) -> None:
        if len(samples):
            self._pieces.append(samples)
            self.end += len(samples)

    def keep(self, position: int) -> None:
        """What lies before is not needed any more."""
        while self._pieces and self.start + len(self._pieces[0]) <= position:
            self.start += len(self._pieces.popleft())

    def take(self, position: int) -> list[Samples]:
        """All from there on; nothing is left. The next sound follows behind it all."""
        at, taken = self.start, []
        for piece in self._pieces:
            if at + len(piece) > position:
                taken.append(piece[max(0, position - at) :])
            at += len(piece)
        self._pieces.clear()
        self.start = self.end
        return taken


class FadeIn:
    """Passes sound on as it is, but for what follows on `begin`."""

    def __init__(self, rate: int) -> None:
        length = round(rate * FADE_S)
        phase = (np.arange(length) + 0.5) / length
        self._rise = (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)
        self._passed = length

    def begin(self) -> None:
        self._passed = 0

    def push(self, samples: Samples) -> Samples:
        rise = self._rise[self._passed :][: len(samples)]
        if not len(rise):
            return samples
        self._passed += len(rise)
        samples = samples.copy()  # the ring has it as it was
        samples[: len(rise)] *= rise
        return samples


@dataclass(slots=True)
class Begun:
    """A segment that has begun. `start` in samples at the output rate; `flagged`: its first packet was
    made; `told`: how it was told, if it was."""

    start: int
    lost: bool
    flagged: bool = False
    told: SegmentStarted | None = None


Retold = SegmentStarted | tuple[tuple[Word, ...], Timing]


class Segments:
    """Those of a context, from the first one that may have to be told again; `kept`: at all."""

    def __init__(self, timeline: Timeline, *, kept: bool) -> None:
        self._timeline = timeline
        self._kept = kept
        self._begun: list[Begun] = []

    @property
    def latest(self) -> Begun:
        return self._begun[-1]

    def begin(self, start: int, *, lost: bool) -> None:
        if not self._kept:
            self._begun = [begun for begun in self._begun if not begun.flagged]
        self._begun.append(Begun(start, lost))

    def flags(self, end: int) -> tuple[bool, bool]:
        """Whether the packet that ends there is the first of a segment, and sound is missing before it."""
        for begun in self._begun:
            if not begun.flagged:
                begun.flagged = begun.start < end
                return begun.flagged, begun.flagged and begun.lost
        return False, False

    def keep(self, pts: int) -> None:
        """What lies before is not told again."""
        while len(self._begun) > 1 and self._begun[1].start < pts:
            del self._begun[0]

    def cut_at(self, played: int, *, complete: bool) -> int:
        """Where to go on: at the first word not heard, with its segment if none of that was heard; among
        words that are not known yet, behind the last one; where there are none, where it was. `complete`:
        all words of the latest segment are known."""
        words = self._timeline.words
        heard = self._timeline.count_heard(played)
        ended = words[heard - 1].end if heard else 0
        if heard < len(words):
            cut = words[heard].start
        elif not complete:
            cut = max(ended, self.latest.start)
        else:
            return played
        starts = [begun.start for begun in self._begun if ended <= begun.start <= cut]
        return starts[-1] if starts else cut

    def move(self, cut: int, by: int) -> None:
        """Those from `cut` on lie so much later, and are told again."""
        for begun in self._begun:
            if begun.start >= cut:
                begun.start += by
                begun.flagged = False

    def retold(self, begin: int, heard: int) -> Iterator[Retold]:
        """Segments from `begin` on and words but the first `heard`, in order."""
        segments = deque(begun for begun in self._begun if begun.told and begun.start >= begin)
        starts = [begun.start for begun in segments]

        def kind(pair: tuple[Word, Timing]) -> tuple[int, Timing]:
            return sum(start <= pair[0].start for start in starts), pair[1]

        words, timings = self._timeline.words[heard:], self._timeline.timings[heard:]
        for (count, timing), group in groupby(zip(words, timings, strict=True), kind):
            while len(starts) - len(segments) < count:
                yield _told_anew(segments.popleft())
            yield tuple(word for word, _ in group), timing
        for begun in segments:
            yield _told_anew(begun)


def _told_anew(begun: Begun) -> SegmentStarted:
    assert begun.told is not None
    begun.told = replace(begun.told, start=begun.start)
    return begun.told
