"""Sound on its way to the encoder: each cue's at its place, silence between, summed where they overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamer.audio.limiter import Limiter
from streamer.captions.timing import Placed
from streamer.types import Samples


class Track:
    """Positions are samples since the context's beginning; what was read is forgotten.

    `mixed`: sounds may lie over each other; their sum is limited then, and exactly what was placed where it
    is not loud.
    """

    def __init__(self, rate: int, *, mixed: bool) -> None:
        self.position = 0
        """Of the next sample that is read."""
        self._limiter = Limiter(rate, 1.0) if mixed else None
        self._sounds: list[tuple[int, Samples]] = []
        self._placed: list[Placed] = []

    @property
    def end(self) -> int:
        """Behind all sound, or where it is read if there is none left."""
        return max((placed.end for placed in self._placed), default=self.position)

    @property
    def placed(self) -> Sequence[Placed]:
        """What has not been read to its end."""
        return self._placed

    def place(self, begin: int, samples: Samples, due: int | None = None) -> None:
        """Sound of a cue whose own time ends at `due`; not before what was read."""
        if begin < self.position:
            raise ValueError(f"sound at {begin}, read up to {self.position}")
        self._sounds.append((begin, samples))
        self._placed.append(Placed(begin + len(samples), due))

    def read(self, count: int) -> Samples:
        """So many samples."""
        begin, end = self.position, self.position + count
        sound = np.zeros(count, np.float32)
        for at, samples in self._sounds:
            low, high = max(at, begin), min(at + len(samples), end)
            if low < high:
                sound[low - begin : high - begin] += samples[low - at : high - at]
        self.position = end
        self._sounds = [one for one in self._sounds if one[0] + len(one[1]) > end]
        self._placed = [one for one in self._placed if one.end > end]
        return sound if self._limiter is None else self._limiter.push(sound)
