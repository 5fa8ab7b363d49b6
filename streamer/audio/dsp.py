"""What is done to a segment's sound between engine and encoder: speed, pitch, volume, faded ends.

It knows nothing of text, of other segments or of the output format.
"""

from __future__ import annotations

import numpy as np

from streamer.audio.level import loudness, trim
from streamer.audio.limiter import Limiter
from streamer.audio.resampler import Resampler
from streamer.audio.stretch import Stretch
from streamer.errors import InvalidParameter
from streamer.types import Samples

__all__ = ["Dsp", "loudness", "trim"]

FADE_S = 0.004
"""Raised cosine at both ends: joins don't click, consonants keep their edge."""

_RANGES = {"speed": (0.25, 4.0), "pitch": (0.5, 2.0), "volume": (0.0, 2.0)}


class Dsp:
    """The chain of one segment. `scale`: samples out per sample in; word times are multiplied by it.

    Exactly `round(scale * samples in)` come out by `flush`, the same however the input is cut. Without
    speed and pitch nothing is delayed but the last 4 ms, which wait for the fade. Pitch moves the
    formants too. It is done after one `flush`. Raises `InvalidParameter` naming speed, pitch or volume.
    """

    def __init__(
        self, sample_rate: int, *, speed: float = 1.0, pitch: float = 1.0, volume: float = 1.0
    ) -> None:
        for name, value in (("speed", speed), ("pitch", pitch), ("volume", volume)):
            least, most = _RANGES[name]
            if not least <= value <= most:
                raise InvalidParameter(
                    f"{name} is {least:g} to {most:g}, not {value!r}", param=name
                )
        self.scale = 1 / speed
        self._taken = 0
        self._shaped = 0
        # Played faster by `pitch`, the sound is higher and shorter; the stretch makes up for the rest.
        self._resampler = Resampler(round(sample_rate * pitch), sample_rate)
        tempo = speed / pitch
        self._stretch = Stretch(sample_rate, tempo) if abs(tempo - 1) > 1e-6 else None
        reshaped = speed != 1 or pitch != 1
        self._limiter = Limiter(sample_rate, volume) if reshaped or volume > 1 else None
        self._volume = np.float32(volume)
        length = round(sample_rate * FADE_S)
        phase = (np.arange(length) + 0.5) / length
        self._fade = (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)
        self._given = 0
        self._tail: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> list[Samples]:
        """Sound that is ready; float32 mono arrays of shape (n,), none empty. What is not a number
        is silence."""
        if not np.isfinite(samples.sum()):
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        self._taken += len(samples)
        sound = self._resampler.push(samples)
        if self._stretch is not None:
            sound = self._stretch.push(sound)
        return self._finish(sound)

    def flush(self) -> list[Samples]:
        """The rest of the segment, faded out."""
        rest = self._resampler.flush()
        total = round(self._taken * self.scale)
        if self._stretch is not None:
            ready = self._stretch.push(rest)
            rest = np.concatenate((ready, self._stretch.flush(total - self._shaped - len(ready))))
        missing = total - self._shaped
        rest = np.pad(rest[:missing], (0, max(0, missing - len(rest))))
        ready_parts = self._finish(rest)
        if len(self._tail):
            end = self._tail * self._fade[::-1][-len(self._tail) :]
            ready_parts.append(end)
            self._tail = self._tail[:0]
        return ready_parts

    def _finish(self, sound: Samples) -> list[Samples]:
        """Volume, the fade at the beginning, and the last of it kept back for the fade at the end."""
        self._shaped += len(sound)
        if self._limiter is not None:
            sound = self._limiter.push(sound)
        elif self._volume != 1:
            sound = sound * self._volume
        begin = self._given + len(self._tail)
        if begin < len(self._fade) and len(sound):
            sound = sound.copy()
            rise = self._fade[begin : begin + len(sound)]
            sound[: len(rise)] *= rise
        sound = np.concatenate((self._tail, sound))
        ready = max(0, len(sound) - len(self._fade))
        self._tail = sound[ready:]
        self._given += ready
        return [sound[:ready]] if ready else []
