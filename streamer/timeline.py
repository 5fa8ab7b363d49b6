"""The sound clock of one context: where its words lie, what of them was heard, how far ahead we are.

Positions are integer samples; the play-out clock is passed in. Knows no engines, codecs or sockets.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from streamer.types import Timing, Word

HEARD_MARGIN_S = 0.15
"""Taken off the server's play-out clock when no listener reported: network and device buffers, so that
"heard" is rather one word too few than one too many."""


PAUSED_S = 1.0
"""While it is paused a context counts as so much further ahead than it may ever be: no one is less
urgent. Not for ever, since some wait for so long before they ask again."""


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
        self._dry_s = 0.0
        self._at_hand = 0.0
        self._paused = False

    def lead(self) -> float:
        """Seconds of sound the listener still has, or that are at hand for it; negative: dry for so long;
        -inf before the first, +inf in the background."""
        if self._background:
            return math.inf
        if self._paused:
            return self._bound + PAUSED_S
        at_hand = self._at_hand
        return self._ahead() + at_hand if self._dry_at is not None else at_hand or -math.inf

    def wait(self) -> float:
        """Seconds to wait before more may be sent. Past the bound it waits for a quarter of it, so that
        packets leave in small bursts: a wake-up costs more than a packet."""
        if self._bound == math.inf:
            return 0.0
        over = self._ahead() - self._bound
        return 0.0 if over < 0 else over + min(self._bound / 4, 0.1)

    def sent(self, seconds: float) -> None:
        now = self._clock()
        if self._dry_at is None:
            self._dry_at = now
        self._miss(now - self._dry_at)
        self._dry_at += seconds
        self._sent += seconds
        self._at_hand = max(0.0, self._at_hand - seconds)

    def missed(self, seconds: float) -> None:
        """The listener does not have the last so many seconds of what was sent: they come to it now."""
        self._miss(seconds - self._ahead())

    def _miss(self, seconds: float) -> None:
        if self._dry_at is not None and seconds > 0:
            self._dry_at += seconds
            self._dry_s += seconds

    @property
    def behind_s(self) -> float:
        """Seconds by which sound is played later than if the listener had never run dry."""
        return self._dry_s + (0.0 if self._dry_at is None else max(0.0, -self._ahead()))

    def pause(self) -> None:
        """The listener plays nothing, and throws away what it has."""
        self._paused = True

    def go_on(self, at_hand: float) -> None:
        """The listener has nothing, and plays what comes; seconds of sound to send it are there."""
        self._paused = False
        self._dry_at = None
        self._at_hand = at_hand

    def used_up(self) -> None:
        """What was at hand has been sent."""
        self._at_hand = 0.0

    @property
    def played_s(self) -> float:
        """Seconds of sound played by now, on the context's clock, less `HEARD_MARGIN_S`."""
        return max(0.0, self._sent - max(0.0, self._ahead()) - HEARD_MARGIN_S)

    def _ahead(self) -> float:
        return -math.inf if self._dry_at is None else self._dry_at - self._clock()


Clock = Literal["client", "server"]
"""Whose play-out clock decided."""


class Playhead:
    """How far a listener has played, in samples: by its own reports, or by the pacer. It never goes back."""

    def __init__(self, pacer: Pacer, sample_rate: int) -> None:
        self._pacer = pacer
        self._sample_rate = sample_rate
        self._reported: int | None = None
        self._least = 0
        self._held: tuple[int, Clock] | None = None

    @property
    def held(self) -> bool:
        return self._held is not None

    def report(self, played_ms: float) -> None:
        """By the listener. While it is held, that is past."""
        if self._held is None:
            self._reported = round(played_ms * self._sample_rate / 1000)

    def at(self, played_ms: float | None, most: int) -> tuple[int, Clock]:
        """Where it is, and by whose clock; `played_ms` is what the listener says now."""
        if self._held is not None:
            return self._held
        if played_ms is not None:
            self.report(played_ms)
        reported = self._reported
        server = reported is None
        played = round(self._pacer.played_s * self._sample_rate) if reported is None else reported
        return max(self._least, min(played, most)), "server" if server else "client"

    def hold(self, played_ms: float | None, most: int) -> None:
        """It stands still there."""
        self._held = self.at(played_ms, most)

    def go_on(self) -> int:
        """It goes on from where it was held."""
        assert self._held is not None
        self._least, self._held = self._held[0], None
        return self._least


class Timeline:
    """Words and marks of a context in samples at the output rate.

    `words` are in order and never overlap. A mark stands before the first character of its text; its
    sample is where the first word at or after it begins.
    """

    def __init__(self, source_rate: int, sample_rate: int) -> None:
        self._source_rate = source_rate
        self.sample_rate = sample_rate
        self.words: list[Word] = []
        self.timings: list[Timing] = []
        """How the time of each word was got."""
        self._ends: list[int] = []
        self._marks: deque[_Mark] = deque()
        self._due: deque[_Mark] = deque()
        self._told: deque[_Mark] = deque()
        self._anchor = 0, 0

    def at(self, source_samples: int) -> int:
        """A position in samples of the engine's rate, in samples of the output rate."""
        source, pts = self._anchor
        return pts + round((source_samples - source) * self.sample_rate / self._source_rate)

    def source(self, pts: int) -> int:
        """The other way round."""
        source, begin = self._anchor
        return source + round((pts - begin) * self._source_rate / self.sample_rate)

    def add(self, words: Iterable[Word], timing: Timing = "model") -> tuple[Word, ...]:
        """Put words on the clock (positions at the engine's rate); what comes out never overlaps."""
        placed = []
        for word in words:
            floor = max(self._anchor[1], self._ends[-1] if self._ends else 0)
            start = max(floor, self.at(word.start))
            end = max(start, self.at(word.end))
            placed.append(Word(word.text, start, end, word.offset))
            self.timings.append(timing)
            self._ends.append(end)
            while self._marks and self._marks[0].offset <= word.offset:
                self._due.append(replace(self._marks.popleft(), pts=start))
        self.words += placed
        return tuple(placed)

    @property
    def marks_waiting(self) -> int:
        """Marks not yet told."""
        return len(self._marks) + len(self._due)

    def mark(self, offset: int, name: str) -> None:
        self._marks.append(_Mark(offset, name))

    def marks_before(self, pts: int) -> list[tuple[int, str]]:
        """Marks whose sample comes before `pts`, each once."""
        come = []
        while self._due and self._due[0].pts < pts:
            mark = self._due.popleft()
            self._told.append(mark)
            come.append((mark.pts, mark.name))
        return come

    def marks_left(self, pts: int) -> list[tuple[int, str]]:
        """At the end of the sound: all marks not yet told; those behind the last word lie at `pts`."""
        left = [(mark.pts, mark.name) for mark in self._due]
        left += [(pts, mark.name) for mark in self._marks]
        self._told += self._due
        self._told += (replace(mark, pts=pts, placed=False) for mark in self._marks)
        self._due.clear()
        self._marks.clear()
        return left

    def heard(self, played: int) -> tuple[Word, ...]:
        """The words whose last sample has been played."""
        return tuple(self.words[: self.count_heard(played)])

    def count_heard(self, played: int) -> int:
        return bisect_right(self._ends, played)

    def keep(self, pts: int) -> None:
        """What lies before is never told again."""
        while self._told and self._told[0].pts < pts:
            self._told.popleft()

    def go_on(self, played: int, cut: int, source: int, begin: int) -> None:
        """What was to be heard from `cut` on is heard from `begin` on, which is `source` at the engine's
        rate; words before it that have not been `played` are never heard."""
        heard = self.count_heard(played)
        unheard = list(zip(self.words[heard:], self.timings[heard:], strict=True))
        moved = [(word, timing) for word, timing in unheard if word.start >= cut]
        by = begin - cut
        self.words[heard:] = [
            Word(word.text, word.start + by, word.end + by, word.offset) for word, _ in moved
        ]
        self.timings[heard:] = [timing for _, timing in moved]
        self._ends[heard:] = [word.end for word in self.words[heard:]]
        again = [mark for mark in (*self._told, *self._due) if mark.pts >= cut]
        self._told.clear()
        self._due = deque(replace(mark, pts=mark.pts + by) for mark in again if mark.placed)
        self._marks.extendleft(reversed([mark for mark in again if not mark.placed]))
        self._anchor = source, begin


@dataclass(frozen=True, slots=True)
class _Mark:
    """`placed`: a word says where it lies."""

    offset: int
    name: str
    pts: int = 0
    placed: bool = True


def heard_length(text: str, words: tuple[Word, ...]) -> int:
    """How much of the input counts as heard: through the last heard word and the marks that stick to it."""
    if not words:
        return 0
    end = words[-1].offset + len(words[-1].text)
    while end < len(text) and not text[end].isspace() and not text[end].isalnum():
        end += 1
    return end
