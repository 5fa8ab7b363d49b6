"""A change of sample rate that gives the same sound however it is cut, and of exact length."""

from __future__ import annotations

import math
from dataclasses import replace

import av
import numpy as np

from streamer.types import PcmChunk, Samples, Word

_NOTHING: Samples = np.zeros(0, np.float32)


class Resampler:
    """One FFmpeg resampler (polyphase, no shift in time) kept for one stream; equal rates pass through."""

    def __init__(self, source_rate: int, rate: int) -> None:
        self.source_rate = source_rate
        self.rate = rate
        self.taken = 0
        """Source samples pushed so far."""
        self._given = 0
        self._inner: av.AudioResampler | None = None
        self.held = 0
        """Source samples held back, at most: half of its 32 taps and a bit, measured; longer when the
        rate falls, as the filter is then stretched. At first it is twice as many and one."""
        if source_rate != rate:
            self._inner = av.AudioResampler(format="flt", layout="mono", rate=rate)
            self.held = math.ceil(16.5 * max(1.0, source_rate / rate))

    @property
    def total(self) -> int:
        """Samples at `rate` that all samples pushed so far make, after `flush`."""
        return -(-self.taken * self.rate // self.source_rate)

    def needed(self, total: int) -> int:
        """Source samples that must have been pushed for `total` samples at `rate` to be ready."""
        if not self.held or not total:
            return total
        ready = -(-total * self.source_rate // self.rate) + self.held
        return max(ready, 2 * self.held + 1)

    def push(self, samples: Samples) -> Samples:
        """Samples at `rate` that are ready; float32, shape (n,)."""
        self.taken += len(samples)
        if self._inner is None or not len(samples):
            self._given += len(samples)
            return samples
        frame = av.AudioFrame("flt", "mono", len(samples))
        frame.planes[0].update(samples.astype(np.float32, copy=False).tobytes())
        frame.sample_rate = self.source_rate
        return self._resampled(frame)

    def flush(self) -> Samples:
        """What was held back, up to `total` samples in all. Push nothing after it."""
        if self._inner is None or not self.taken:
            return _NOTHING
        before = self._given
        rest = self._resampled(None)
        missing = self.total - before
        return np.pad(rest[:missing], (0, max(0, missing - len(rest))))

    def _resampled(self, frame: av.AudioFrame | None) -> Samples:
        assert self._inner is not None
        parts = [part.to_ndarray().reshape(-1) for part in self._inner.resample(frame)]
        ready: Samples = np.concatenate(parts).astype(np.float32, copy=False) if parts else _NOTHING
        self._given += len(ready)
        return ready


class ResampledChunks:
    """Chunks of a second engine at the first one's rate, words with them."""

    def __init__(self, rate: int, wanted: int) -> None:
        self._rate = rate
        self._wanted = wanted
        self._resampler: Resampler | None = None

    def __call__(self, chunk: PcmChunk) -> PcmChunk:
        if self._rate == self._wanted:
            return chunk
        if self._resampler is None:
            self._resampler = Resampler(self._rate, self._wanted)
        samples = self._resampler.push(chunk.samples)
        if chunk.last:
            samples = np.concatenate((samples, self._resampler.flush()))
            self._resampler = None
        ratio = self._wanted / self._rate
        words = tuple(
            Word(w.text, round(w.start * ratio), round(w.end * ratio), w.offset)
            for w in chunk.words
        )
        total = chunk.total and -(-chunk.total * self._wanted // self._rate)
        return replace(chunk, samples=samples, words=words, total=total)
