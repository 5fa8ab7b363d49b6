"""Sound that may have to be said again: what the listener has not played, and a little more."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streamer.types import Samples, SegmentStarted


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


@dataclass(slots=True)
class Begun:
    """A segment that has begun. `start` in samples at the output rate; `flagged`: its first packet was
    made; `told`: how it was told, if it was."""

    start: int
    lost: bool
    flagged: bool = False
    told: SegmentStarted | None = None
