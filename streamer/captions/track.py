"""Sound on its way to the encoder: each cue's at its place, silence between, summed where they overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamer.audio.dsp import Dsp
from streamer.audio.limiter import Limiter
from streamer.captions.timing import Placed
from streamer.types import Samples

_STEP_S = 0.06
"""Sound that is stretched in one go: it takes some ms for each second of it."""


class Stretched:
    """A sound that is `by` times as fast, made as it is read. `length` of all of it."""

    def __init__(self, samples: Samples, by: float, rate: int) -> None:
        self._source = samples
        self._dsp = Dsp(rate, speed=by) if by > 1 else None
        self.length = len(samples) if self._dsp is None else stretched_length(len(samples), by)
        self._step = round(_STEP_S * rate)
        self._taken = 0
        self._ready: Samples = samples[:0]

    def read(self, count: int) -> Samples:
        """The next samples; no more than there are."""
        if self._dsp is None:
            self._taken += count
            return self._source[self._taken - count : self._taken]
        parts, have = [self._ready], len(self._ready)
        while have < count and self._taken < len(self._source):
            parts += self._dsp.push(self._source[self._taken : self._taken + self._step])
            self._taken += self._step
            if self._taken >= len(self._source):
                parts += self._dsp.flush()
            have = sum(map(len, parts))
        sound = np.concatenate(parts)
        self._ready = sound[count:]
        return sound[:count]


def stretched_length(length: int, by: float) -> int:
    """Of `Stretched`."""
    return length if by <= 1 else round(length * (1 / by))


class Track:
    """Positions are samples of the captions' clock, from the context's beginning on; what was read is
    forgotten.

    `mixed`: sounds may lie over each other; their sum is limited then, and exactly what was placed where it
    is not loud.
    """

    def __init__(self, rate: int, *, mixed: bool) -> None:
        self.position = 0
        """Of the next sample that is read, on the captions' clock."""
        self.shift = 0
        """So much further than the samples that were read is that clock."""
        self._limiter = Limiter(rate, 1.0) if mixed else None
        self._rate = rate
        self._sounds: list[tuple[int, Stretched]] = []
        self._placed: list[Placed] = []

    @property
    def end(self) -> int:
        """Behind all sound, or where it is read if there is none left."""
        return max((placed.end for placed in self._placed), default=self.position)

    @property
    def placed(self) -> Sequence[Placed]:
        """What has not been read to its end."""
        return self._placed

    def place(
        self, begin: int, samples: Samples, due: int | None = None, stretch: float = 1.0
    ) -> int:
        """Sound of a cue whose own time ends at `due`; not before what was read. Where it ends."""
        if begin < self.position:
            raise ValueError(f"sound at {begin}, read up to {self.position}")
        sound = Stretched(samples, stretch, self._rate)
        end = begin + sound.length
        self._sounds.append((begin, sound))
        self._placed.append(Placed(end, due))
        return end

    def jump(self, count: int) -> None:
        """The captions' clock goes on without sound: what sounds goes on as it would have, later."""
        self.position += count
        self.shift += count
        self._sounds = [(at + count, one) for at, one in self._sounds]
        self._placed = [replace(one, end=one.end + count) for one in self._placed]

    def read(self, count: int) -> Samples:
        """So many samples."""
        begin, end = self.position, self.position + count
        sound = np.zeros(count, np.float32)
        for at, one in self._sounds:
            low, high = max(at, begin), min(at + one.length, end)
            if low < high:
                sound[low - begin : high - begin] += one.read(high - low)
        self.position = end
        self._sounds = [(at, one) for at, one in self._sounds if at + one.length > end]
        self._placed = [one for one in self._placed if one.end > end]
        return sound if self._limiter is None else self._limiter.push(sound)
