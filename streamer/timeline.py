"""The sound clock of one context: where its words lie, what of them was heard, how far ahead we are.

Positions are integer samples; the play-out clock is passed in. Knows no engines, codecs or sockets.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable

from streamer.types import Word

HEARD_MARGIN_S = 0.15
"""Taken off the server's play-out clock when no listener reported: network and device buffers, so that
"heard" is rather one word too few than one too many."""


class Pacer:
    """A listener that plays what it is sent at once and never faster than real time.

    `lead_s` bounds how far ahead of its play-out time sound is sent; None means unpaced (a download).
    `background`: nobody listens, so nobody ever runs dry.
    """

    def __init__(
        self, clock: Callable[[], float], lead_s: float | None, *, background: bool = False
    ) -> None:
        self._clock = clock
        self._bound = math.inf if lead_s is None else lead_s
        self._background = background
        self._dry_at: float | None = None
        self._sent = 0.0

    def lead(self) -> float:
        """Seconds of sound the listener still has; negative: dry for so long; -inf before the first, +inf
        in the background."""
        if self._background:
            return math.inf
        return -math.inf if self._dry_at is None else self._dry_at - self._clock()

    def wait(self) -> float:
        """Seconds to wait before more may be sent. Past the bound it waits for a quarter of it, so that
        packets leave in small bursts: a wake-up costs more than a packet."""
        if self._bound == math.inf:
            return 0.0
        over = self.lead() - self._bound
        return 0.0 if over < 0 else over + min(self._bound / 4, 0.1)

    def sent(self, seconds: float) -> None:
        now = self._clock()
        if self._dry_at is None or self._dry_at < now:
            self._dry_at = now
        self._dry_at += seconds
        self._sent += seconds

    @property
    def played_s(self) -> float:
        """Seconds of sound played by now, on the context's clock, less `HEARD_MARGIN_S`."""
        return max(0.0, self._sent - max(0.0, self.lead()) - HEARD_MARGIN_S)


class Timeline:
    """Words and marks of a context in samples at the output rate.

    `words` are in order and never overlap. A mark stands before the first character of its text; its
    sample is where the first word at or after it begins.
    """

    def __init__(self, source_rate: int, sample_rate: int) -> None:
        self._source_rate = source_rate
        self.sample_rate = sample_rate
        self.words: list[Word] = []
        self._ends: list[int] = []
        self._marks: deque[tuple[int, str]] = deque()
        self._due: deque[tuple[int, str]] = deque()

    def at(self, source_samples: int | float) -> int:
        """A position in samples of the engine's rate, in samples of the output rate."""
        return round(source_samples * self.sample_rate / self._source_rate)

    def add(self, words: Iterable[Word]) -> tuple[Word, ...]:
        """Put words on the clock (positions at the engine's rate); what comes out never overlaps."""
        placed = []
        for word in words:
            floor = self._ends[-1] if self._ends else 0
            start = max(floor, self.at(word.start))
            end = max(start, self.at(word.end))
            placed.append(Word(word.text, start, end, word.offset))
            self._ends.append(end)
            while self._marks and self._marks[0][0] <= word.offset:
                self._due.append((start, self._marks.popleft()[1]))
        self.words += placed
        return tuple(placed)

    @property
    def marks_waiting(self) -> int:
        """Marks not yet told."""
        return len(self._marks) + len(self._due)

    def mark(self, offset: int, name: str) -> None:
        self._marks.append((offset, name))

    def marks_before(self, pts: int) -> list[tuple[int, str]]:
        """Marks whose sample comes before `pts`, each once."""
        come = []
        while self._due and self._due[0][0] < pts:
            come.append(self._due.popleft())
        return come

    def marks_left(self, pts: int) -> list[tuple[int, str]]:
        """At the end of the sound: all marks not yet told; those behind the last word lie at `pts`."""
        left = [*self._due, *((pts, name) for _, name in self._marks)]
        self._due.clear()
        self._marks.clear()
        return left

    def heard(self, played: int) -> tuple[Word, ...]:
        """The words whose last sample has been played."""
        return tuple(self.words[: bisect_right(self._ends, played)])


def heard_length(text: str, words: tuple[Word, ...]) -> int:
    """How much of the input counts as heard: through the last heard word and the marks that stick to it."""
    if not words:
        return 0
    end = words[-1].offset + len(words[-1].text)
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    return end
