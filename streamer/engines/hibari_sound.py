"""The embedded voice's spectrum turned into samples, stretch by stretch.

A source-filter synthesiser: pulses at the pitch, shaped by one part of the spectrum, plus noise shaped
by another, plus a part whose phases the network gives itself; then an inverse short-time Fourier
transform. Knows frames of spectrum, neither phonemes nor text.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.fft

from streamer.engines.hibari_model import UNVOICED_HZ
from streamer.types import Samples

Floats: TypeAlias = npt.NDArray[np.float32]
Complexes: TypeAlias = npt.NDArray[np.complex64]

SAMPLE_RATE = 24000
HOP = 300
"""Samples from one frame of spectrum to the next."""
_FFT = 4 * HOP
_BINS = _FFT // 2 + 1
FRAME_SIZE = 5 * _BINS
"""Values of a frame of spectrum: five parts."""
SHARED_FRAMES = 3
"""Frames that the last hops of a stretch and the first of the next are both made of."""
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)
_SOURCE_WINDOW = _WINDOW / np.float32(HOP)
_OVERLAP = np.float32(1.5)
"""Four Hann windows squared, a quarter apart, add up to this everywhere."""

_HIGHEST_HARMONIC_HZ = 11000.0
_LARGEST_LOG = np.float32(7.0)

# Weights of a linear interpolation between the middles of hops: within the first half of a hop towards
# the hop before, within the second towards the hop after.
_POSITION = (((np.arange(HOP) + 0.5) / HOP - 0.5) % 1.0).astype(np.float32)
_HALF = HOP // 2

_NOISE_LENGTH = 1 << 19
_KNEE = np.float32(0.85)


@cache
def _noise() -> Complexes:
    """Complex white noise, both parts of variance 1. Drawing it anew for each utterance took as long as
    all else here together; an utterance starts somewhere in this table, that its seed decides."""
    rng = np.random.default_rng(0x68696261)
    return rng.standard_normal(2 * _NOISE_LENGTH, np.float32).view(np.complex64)


class Synthesizer:
    """One utterance. Stretches are asked for one after the other, without gaps.

    `f0` (hops,) in Hz, before `pitch`, which scales it and leaves the spectrum where it is.
    """

    def __init__(self, f0: Floats, pitch: float, gain: float, rng: np.random.Generator) -> None:
        self._f0 = f0
        self._pitch = np.float32(pitch)
        self._window = _WINDOW * np.float32(gain / _OVERLAP)
        self._noise_start = int(rng.integers(_NOISE_LENGTH))
        self._phase = 0.0
        """Of the pulses at the next stretch's first one, in periods."""

    @staticmethod
    def frames(first: int, last: int) -> tuple[int, int]:
        """The frames of spectrum that the hops `first` to `last` (not included) are made of."""
        return first - 1, last + 2

    def render(self, spectrum: Floats, first: int, last: int) -> Samples:
        """The samples of the hops `first` to `last`, from the frames `frames(first, last)`."""
        source = np.lib.stride_tricks.sliding_window_view(self._pulses(first - 3, last + 3), _FFT)
        harmonic = scipy.fft.rfft(source[::HOP] * _SOURCE_WINDOW, axis=1, overwrite_x=True)
        log_harmonic, turn, log_noise, log_rest, rest_phase = (
            spectrum[:, part * _BINS : (part + 1) * _BINS] for part in range(5)
        )
        angle = np.tanh(turn)
        angle *= np.float32(np.pi)
        total = _polar(log_harmonic, angle)
        total *= harmonic
        total += self._noise(first - 1, len(spectrum)) * _exp(log_noise)
        total += _polar(log_rest, rest_phase)
        frames = scipy.fft.irfft(total, n=_FFT, axis=1, overwrite_x=True)
        frames *= self._window
        quarters = frames.reshape(-1, 4, HOP)
        count = last - first
        samples = quarters[0:count, 3] + quarters[1 : count + 1, 2]
        samples += quarters[2 : count + 2, 1]
        samples += quarters[3 : count + 3, 0]
        return _limited(samples.reshape(-1))

    def _pulses(self, first: int, last: int) -> Floats:
        """All harmonics up to 11 kHz at one amplitude: sum of cos(h t) for h to H is
        sin((H + 1/2) t) / (2 sin(t / 2)) - 1/2. Silent where unvoiced."""
        around = np.take(self._f0, np.arange(first - 1, last + 1), mode="clip")
        before, here, after = around[:-2, None], around[1:-1, None], around[2:, None]
        by_hop = np.empty((last - first, HOP), np.float32)
        rising, falling = _POSITION, 1 - _POSITION
        by_hop[:, :_HALF] = before * falling[:_HALF] + here * rising[:_HALF]
        by_hop[:, _HALF:] = here * falling[_HALF:] + after * rising[_HALF:]
        pitch: Floats = by_hop.reshape(-1)
        unvoiced = pitch <= UNVOICED_HZ
        np.maximum(pitch, UNVOICED_HZ, out=pitch)
        pitch *= self._pitch

        periods = np.cumsum(pitch, dtype=np.float64)
        periods /= SAMPLE_RATE
        periods += self._phase
        # The next stretch begins six hops before the end of this one.
        self._phase = float(periods[-6 * HOP - 1] % 1.0)
        periods -= np.floor(periods)
        t = periods.astype(np.float32)
        t *= np.float32(2 * np.pi)
        order = np.floor(_HIGHEST_HARMONIC_HZ / pitch)
        order += 0.5
        pulses: Floats = np.sin(order * t)
        t *= np.float32(0.5)
        divisor = np.sin(t, out=t)
        divisor *= 2
        peak = np.abs(divisor) <= 2e-3
        divisor[peak] = 1
        pulses /= divisor
        pulses[peak] = order[peak]
        pulses -= 0.5
        pulses[unvoiced] = 0
        return pulses

    def _noise(self, frame: int, count: int) -> Complexes:
        table = _noise()
        start = (self._noise_start + frame * _BINS) % _NOISE_LENGTH
        stretch = table[start : start + count * _BINS]
        while len(stretch) < count * _BINS:
            stretch = np.concatenate([stretch, table[: count * _BINS - len(stretch)]])
        return stretch.reshape(count, _BINS)


def _limited(samples: Samples) -> Samples:
    """A few plosives would go over full scale: bent smoothly from `_KNEE` on, sample by sample, so that it
    does not matter where a stretch begins."""
    over = np.abs(samples) > _KNEE
    if over.any():
        room = 1 - _KNEE
        loud = samples[over]
        samples[over] = np.sign(loud) * (_KNEE + room * np.tanh((np.abs(loud) - _KNEE) / room))
    return samples


def _exp(log: Floats) -> Floats:
    magnitude = np.minimum(log, _LARGEST_LOG)
    return np.exp(magnitude, out=magnitude)


def _polar(log: Floats, angle: Floats) -> Complexes:
    value = np.empty(log.shape, np.complex64)
    magnitude = _exp(log)
    np.multiply(np.cos(angle), magnitude, out=value.real)
    np.multiply(np.sin(angle), magnitude, out=value.imag)
    return value
