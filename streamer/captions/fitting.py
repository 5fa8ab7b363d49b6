"""How a cue's take is made to fit its slot: said faster by its engine where that is free, stretched for the
rest. Pure; who is asked for takes is told what is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamer.captions import timing
from streamer.captions.cues import Queue, Waiting
from streamer.captions.takes import Take, hurries_natively
from streamer.captions.timing import Placed
from streamer.captions.track import stretched_length
from streamer.prices import Prices
from streamer.types import CueOptions

AGAIN = 1.03
"""A cue that is to be so much faster is asked for again; less than this is stretched, unheard."""
_STEP = 1000
"""Rates that are asked for are whole thousandths, so that the same is asked for again."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A take, and by how much it is stretched. `length`: what comes out."""

    take: Take
    stretch: float

    @property
    def rate(self) -> float:
        return self.take.rate * self.stretch

    @property
    def length(self) -> int:
        return stretched_length(len(self.take), self.stretch)


class Fitting:
    """`exact`: what a cue becomes hangs on its times alone, and not on which takes are there already."""

    def __init__(self, options: CueOptions, prices: Prices, *, exact: bool) -> None:
        self._options = options
        self._prices = prices
        self._exact = exact

    def rate(self, cues: Sequence[Waiting], begin: int, queue: Queue) -> float:
        """At which these, said one behind the other from `begin` on, fit their slot. All are made."""
        length = sum(len(cue.natural) for cue in cues if cue.natural is not None)
        return timing.hurry(length, self._slot(cues, begin, queue), self._most(cues))

    def fit(self, cue: Waiting, rate: float, length: int | None) -> Fit | float:
        """The cue at a rate, no longer than `length` if that can be had; or the rate at which it is to be
        said again first."""
        assert cue.natural is not None
        take, most = cue.natural, self._most([cue])
        if rate > 1 and self.again(cue, rate):
            asked = _rounded(rate, most)
            if self._exact and (cue.hurried is None or cue.hurried.rate != asked):
                return asked
            if cue.hurried is not None and cue.hurried.rate <= rate * AGAIN:
                take = cue.hurried
        if length is None:
            return Fit(take, 1.0)
        return Fit(take, timing.hurry(len(take), length, max(1.0, most / take.rate)))

    def again(self, cue: Waiting, rate: float) -> bool:
        """Whether its engine is to say it again, faster."""
        free = self._prices.at_most(cue.wish.choice) == 0
        return rate >= AGAIN and free and not cue.once and hurries_natively(cue.wish, rate)

    def share(self, cue: Waiting, cues: Sequence[Waiting], begin: int, queue: Queue) -> int | None:
        """How long one of these may last, so that all fit."""
        until = self._slot(cues, begin, queue)
        total = sum(len(one.natural) for one in cues if one.natural is not None)
        if until is None or cue.natural is None or not total:
            return None
        return math.floor(until * len(cue.natural) / total)

    def to_hurry(
        self, queue: Queue, position: int, placed: Sequence[Placed], count: int
    ) -> Iterator[tuple[Waiting, float, int]]:
        """Of the first cues those that will have to be said again, faster, how fast, and where they will
        begin: as far as that can be told, since all before are made."""
        before = list(placed)
        for cue in queue.first(count):
            if cue.natural is None:
                if cue.failure is None:
                    return
                continue
            at = timing.begin(cue.start, position, before, self._options.overlap)
            rate = self.rate([cue], at, queue)
            fit = self.fit(cue, rate, self.share(cue, [cue], at, queue))
            if self.again(cue, rate) and cue.wanted == 1:
                asked = _rounded(rate, self._most([cue]))
                if cue.hurried is None or cue.hurried.rate != asked:
                    yield cue, asked, at
            length = fit.length if isinstance(fit, Fit) else round(len(cue.natural) / fit)
            before.append(Placed(at + length, cue.due))

    def _most(self, cues: Sequence[Waiting]) -> float:
        return min(timing.most_rate(self._options, cue.wish.options.speed) for cue in cues)

    def _slot(self, cues: Sequence[Waiting], begin: int, queue: Queue) -> int | None:
        """Of one cue, or of several that are said in one breath; less what those behind need that are to
        begin at the same time."""
        last = cues[-1]
        own = max(cue.order for cue in cues)
        until = timing.slot(begin, last.due, queue.starts_behind(last), own, self._options.overlap)
        if until is None or self._options.overlap == "mix" or until <= 0:
            return until
        mine = sum(len(cue.text) for cue in cues)
        others = sum(len(cue.text) for cue in queue.beside(last))
        return until * mine // (mine + others)


def _rounded(rate: float, most: float) -> float:
    return min(math.ceil(rate * _STEP) / _STEP, most)
