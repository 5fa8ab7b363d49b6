"""The latest sound of a channel, by reference: whoever encodes reads it at his own pace."""

from __future__ import annotations

from collections import deque

import numpy as np

from streamer.types import Samples


class Sound:
    """Positions are samples since the channel began."""

    def __init__(self) -> None:
        self._pieces: deque[Samples] = deque()
        self.start = 0
        """Of the oldest sample there is."""
        self.end = 0

    @property
    def last(self) -> Samples:
        """The newest sample; none at first."""
        return self._pieces[-1][-1:] if self._pieces else np.zeros(0, np.float32)

    def append(self, samples: Samples) -> None:
        if len(samples):
            self._pieces.append(samples)
            self.end += len(samples)

    def keep(self, position: int) -> None:
        """What lies before is not needed any more."""
        while self._pieces and self.start + len(self._pieces[0]) <= position:
            self.start += len(self._pieces.popleft())

    def read(self, position: int, most: int) -> Samples:
        """From there on, so much at most; what is gone is an error."""
        if position < self.start:
            raise LookupError(f"sample {position} is gone, the oldest is {self.start}")
        found: list[Samples] = []
        at = self.end
        for piece in reversed(self._pieces):
            if at <= position:
                break
            at -= len(piece)
            if at < position + most:
                found.append(piece[max(0, position - at) : position + most - at])
        return np.concatenate(found[::-1]) if found else np.zeros(0, np.float32)
