"""When cues are spoken, and how fast: pure arithmetic on the sound clock, in samples.

The caption clock is the sound clock: what is captioned at time t is heard at sample
`position(t, origin, rate)`, whatever was spoken before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamer.types import CueOptions, Overlap

SKIP_MS = 50.0
"""Where cues are left out rather than said late, one that can begin within this is in time."""
FASTEST = 4.0
"""Speed in all: what a client may ask for, and captions go no faster either."""


def position(ms: float, origin_ms: float, rate: int) -> int:
    """The sample at which a caption time lies; negative before the origin."""
    return round((ms - origin_ms) * rate / 1000)


@dataclass(frozen=True, slots=True)
class Placed:
    """A cue whose sound has its place: it ends at `end`; its own time ends at `due`, if it has one."""

    end: int
    due: int | None = None


def begin(start: int | None, floor: int, before: Iterable[Placed], overlap: Overlap) -> int:
    """Where a cue begins that is to begin at `start` (None: behind the one before it), not before
    `floor`. Queued cues begin when all before have ended; mixed ones with those whose own times overlap
    theirs."""
    earliest = floor if start is None else max(floor, start)
    for other in before:
        at_once = (
            overlap == "mix" and start is not None and other.due is not None and start < other.due
        )
        if not at_once:
            earliest = max(earliest, other.end)
    return earliest


def slot(
    begin: int, due: int | None, starts: Iterable[int], own: int, overlap: Overlap
) -> int | None:
    """How long a cue may last that begins there: until the next begins that is to begin later than its
    `own` time, or until it is `due`; None: as long as it likes. `starts`: of those behind it, in order. One
    that is mixed leaves room for those only that begin when its own time is over."""
    after = own if overlap == "queue" or due is None else max(own + 1, due) - 1
    following = next((start for start in starts if start > after), None)
    until = due if following is None else following
    return None if until is None else until - begin


def hurry(length: int, slot: int | None, most: float) -> float:
    """The rate at which a length fits its slot, from 1 to `most`."""
    if slot is None or length <= slot:
        return 1.0
    return most if slot <= 0 else min(length / slot, most)


def most_rate(options: CueOptions, speed: float) -> float:
    """How much faster a cue may be than its client asked for."""
    return max(1.0, min(options.max_rate, FASTEST / speed))


def too_late(by: int, options: CueOptions, rate: int) -> bool:
    """Whether a cue that would begin so many samples after its time is left out."""
    most_ms = options.max_late_ms
    if options.overrun == "skip":
        most_ms = min(most_ms, SKIP_MS)
    return by * 1000 > most_ms * rate
