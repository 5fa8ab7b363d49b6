"""Speech made faster or slower without a change of pitch: WSOLA.

W. Verhelst, M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high
quality time-scale modification of speech", ICASSP 1993. Our own because FFmpeg's `atempo` drifts (90 ms
late at half speed and below, word times would be wrong) and loses the tail of short sounds.
"""

from __future__ import annotations

import math

import numpy as np

from streamer.types import Samples

WINDOW_S = 0.030
"""Two to four pitch periods of a voice. Windows overlap by half."""
SEARCH_S = 0.008
"""How far to either side a window may move: together more than the longest period, 14 ms at 70 Hz."""


class Stretch:
    """One stretch of sound. `tempo`: source samples taken per sample given.

    What is heard is at most `SEARCH_S` of source away from its place. Holds back about 40 ms.
    """

    def __init__(self, sample_rate: int, tempo: float) -> None:
        self._tempo = tempo
        self._hop = round(sample_rate * WINDOW_S / 2)
        self._reach = round(sample_rate * SEARCH_S)
        phase = (np.arange(self._hop) + 0.5) / self._hop
        self._rise = (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)
        self._fall = 1 - self._rise
        size = 2 * self._reach + self._hop
        self._fft = 1 << (size - 1).bit_length()
        # Among equals the nearest: keeps silence and steady tones in place.
        self._distance = np.abs(np.arange(-self._reach, self._reach + 1)) / self._reach
        self._source: Samples = np.zeros(0, np.float32)
        self._base = 0  # Position of self._source[0] in all the source.
        self._frame = 0
        self._last = 0  # Where the window before this one began.

    def push(self, samples: Samples) -> Samples:
        """Stretched sound that is ready; float32, shape (n,)."""
        self._source = np.concatenate((self._source, samples))
        parts = []
        while self._needs() <= self._base + len(self._source):
            parts.append(self._next())
        self._forget()
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def flush(self, missing: int) -> Samples:
        """The `missing` samples that end the sound: silence follows it."""
        parts, have = [], 0
        while have < missing:
            short = self._needs() - self._base - len(self._source)
            self._source = np.pad(self._source, (0, max(0, short)))
            parts.append(self._next())
            have += self._hop
            self._forget()
        return np.concatenate(parts)[:missing] if parts else np.zeros(0, np.float32)

    def _ideal(self) -> int:
        """Where the next window would begin for its middle to be in place, or as near as can be."""
        middle = (self._frame + 1) * self._hop
        return max(self._reach, round(middle * self._tempo) - self._hop)

    def _needs(self) -> int:
        """The source position before which everything is needed for the next half window."""
        if self._frame == 0:
            return max(self._hop, math.ceil(self._hop * self._tempo))
        return max(self._ideal() + self._reach, self._last + self._hop) + self._hop

    def _next(self) -> Samples:
        """The next half window: the rest of the last window fading into the best place for this one."""
        if self._frame == 0:
            self._frame = 1
            return self._slice(0)
        follow = self._slice(self._last + self._hop)
        place = self._ideal() + self._best(follow)
        self._frame += 1
        self._last = place
        return follow * self._fall + self._slice(place) * self._rise

    def _best(self, follow: Samples) -> int:
        """The shift at which the source is most like what would follow the last window."""
        start = self._ideal() - self._reach - self._base
        area = self._source[start : start + 2 * self._reach + self._hop].astype(np.float64)
        spectrum = np.fft.rfft(area, self._fft) * np.conj(np.fft.rfft(follow, self._fft))
        likeness = np.fft.irfft(spectrum, self._fft)[: 2 * self._reach + 1]
        energy = np.concatenate(((0.0,), np.cumsum(area * area)))
        energy = energy[self._hop :] - energy[: -self._hop]
        energy *= float(np.dot(follow, follow))
        score = likeness / np.sqrt(np.maximum(energy, 1e-9)) - 0.05 * self._distance
        return int(np.argmax(score)) - self._reach

    def _slice(self, position: int) -> Samples:
        start = position - self._base
        return self._source[start : start + self._hop]

    def _forget(self) -> None:
        keep = 0 if self._frame == 0 else min(self._ideal() - self._reach, self._last + self._hop)
        drop = min(max(0, keep - self._base), len(self._source))
        if drop:
            self._source = self._source[drop:].copy()
            self._base += drop
