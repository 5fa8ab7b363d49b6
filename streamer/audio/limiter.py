"""Volume that never clips. Our own because FFmpeg's `alimiter` looks 5 ms ahead: it delays the sound."""

from __future__ import annotations

import math

import numpy as np

from streamer.types import Samples

KNEE = 0.8
"""Up to this level nothing is changed; above it levels bend smoothly towards 1."""
RELEASE_S = 0.15
"""Time constant of the gain's return: longer than a pitch period, so that the waveform is kept."""
_BLOCK_S = (
    1.0  # The envelope is computed relative to a grid of blocks, which keeps exponents small.
)


class Limiter:
    """A gain, then a limiter without look-ahead; one stream.

    The gain follows an envelope that rises at once and falls slowly, so a loud vowel is turned down as
    a whole; only the first rise of a peak is rounded off. |x| <= 1 always, and sound whose envelope
    stays below `KNEE` is exactly `volume * x`.
    """

    def __init__(self, sample_rate: int, volume: float) -> None:
        self._volume = np.float32(volume)
        self._block = round(sample_rate * _BLOCK_S)
        self._growth = np.exp(np.arange(self._block + 1) / (sample_rate * RELEASE_S))
        self._peak = 0.0  # Of the block so far: the envelope is this over the growth.
        self._place = 0

    def push(self, samples: Samples) -> Samples:
        """As many samples as came in."""
        parts = []
        while len(samples):
            part = samples[: self._block - self._place]
            parts.append(self._limit(part * self._volume))
            samples = samples[len(part) :]
        return np.concatenate(parts) if parts else samples

    def _limit(self, sound: Samples) -> Samples:
        growth = self._growth[self._place : self._place + len(sound)]
        peaks = np.maximum.accumulate(np.maximum(np.abs(sound) * growth, self._peak))
        self._peak = float(peaks[-1])
        self._place += len(sound)
        if self._place == self._block:
            self._peak /= math.exp(_BLOCK_S / RELEASE_S)
            self._place = 0
        envelope = peaks / growth
        if float(envelope.max()) <= KNEE:
            return sound
        over = np.maximum(envelope - KNEE, 0) / (1 - KNEE)
        level = np.minimum(envelope, KNEE) + (1 - KNEE) * np.tanh(over)
        gain = level / np.maximum(envelope, KNEE / 2)
        gain[envelope <= KNEE] = 1
        limited: Samples = np.clip(sound * gain, -1.0, 1.0).astype(np.float32)
        return limited
