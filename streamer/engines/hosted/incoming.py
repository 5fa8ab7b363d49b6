"""A provider's sound, decoded as it comes: bytes cut anywhere become mono samples at one rate.

WAV, PCM, MP3, Opus in Ogg and FLAC go through our own readers and one decoder each. What else there is (a
codec in WAV, Vorbis, MP4) is kept whole for the guard; so is AAC, since damaged AAC ends FFmpeg's decoder
together with its process.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamer.audio.decoder import Decoder
from streamer.audio.resampler import Resampler
from streamer.engines.hosted.sound_files import (
    HEAD_BYTES,
    Pcm,
    id3_length,
    kind_of,
    pcm_of,
    wav_of,
)
from streamer.errors import InvalidMedia
from streamer.types import AudioFormat, Samples

_FORMATS = {
    "mp3": AudioFormat("mp3", "mp3"),
    "ogg": AudioFormat("opus", "ogg"),
    "flac": AudioFormat("flac", "flac"),
}
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_SOUND_START = 64
"""Bytes of an Ogg page within which OpusHead begins, if that is what it holds."""


class _Reader(Protocol):
    def push(self, data: bytes) -> list[Samples]: ...

    def flush(self) -> list[Samples]: ...


class Incoming:
    """`push` bytes as they come, `flush` at the end; both give samples at `rate`.

    `whole` is None, or, once it is known that the guard must decode them, all bytes so far. Raises
    `InvalidMedia` (or `InvalidMessage` of a decoder), also for more than `most_s` of sound.
    """

    def __init__(self, content_type: str, rate: int, most_s: float) -> None:
        self.whole: bytearray | None = None
        self.samples = 0
        """Given so far."""
        self._content_type = content_type
        self._rate = rate
        self._most = round(most_s * rate)
        self._head = b""
        self._skip = 0
        self._reader: _Reader | None = None
        self.total: int | None = None
        """Samples in all, where its header says so."""

    def push(self, data: bytes) -> list[Samples]:
        if self.whole is not None:
            self.whole += data
            return []
        if self._reader is None:
            self._head += data
            data = self._begin()
            if self._reader is None:
                return []
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        return self._counted(self._reader.push(data)) if data else []

    def flush(self) -> list[Samples]:
        if self.whole is not None:
            return []
        if self._reader is None:
            if not self._head:
                return []
            raise InvalidMedia(f"{len(self._head)} bytes that are no sound", param="audio")
        return self._counted(self._reader.flush())

    def _begin(self) -> bytes:
        """Open a reader once it is known which; what of the head it is to read."""
        head = self._head
        if len(head) < HEAD_BYTES:
            return b""
        kind = kind_of(head, self._content_type)
        pcm: Pcm | None = None
        start = 0
        if kind == "wav":
            if (found := wav_of(head)) is None:
                return b""
            pcm, start = found
        elif kind == "pcm":
            pcm = pcm_of(self._content_type, self._rate)
        elif kind == "ogg" and len(head) < _SOUND_START:
            return b""
        if pcm is not None:
            self._reader = _Raw(pcm, self._rate)
            self.total = pcm.samples and -(-pcm.samples * self._rate // pcm.rate)
        elif kind in _FORMATS and (kind != "ogg" or b"OpusHead" in head[:_SOUND_START]):
            self._reader = self._decoder(kind)
            self._skip = id3_length(head) if kind == "mp3" else 0
        else:
            self.whole = bytearray(head)
        self._head = b""
        return head[start:]

    def _decoder(self, kind: str) -> _Reader:
        form = _FORMATS[kind]
        rate = self._rate if kind != "ogg" or self._rate in _OPUS_RATES else 48000
        decoder = Decoder(AudioFormat(form.codec, form.container, rate))
        return decoder if rate == self._rate else _Resampled(decoder, rate, self._rate)

    def _counted(self, parts: list[Samples]) -> list[Samples]:
        self.samples += sum(map(len, parts))
        if self.samples > self._most:
            raise InvalidMedia("more sound than the text can be", param="audio")
        return parts


class _Raw:
    """PCM of any width and channels."""

    def __init__(self, form: Pcm, rate: int) -> None:
        self._form = form
        self._block = form.block
        self._left = form.size
        self._rest = b""
        self._resampler = Resampler(form.rate, rate)

    def push(self, data: bytes) -> list[Samples]:
        if self._left is not None:  # what follows the sound are notes
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data
        whole = len(data) - len(data) % self._block
        self._rest = data[whole:]
        sound = self._resampler.push(self._mono(data[:whole])) if whole else np.zeros(0, np.float32)
        return [sound] if len(sound) else []

    def flush(self) -> list[Samples]:
        if self._left:
            raise InvalidMedia(f"a WAV that ends {self._left} bytes early", param="audio")
        sound = self._resampler.flush()
        return [sound] if len(sound) else []

    def _mono(self, data: bytes) -> Samples:
        dtype = self._form.dtype
        if dtype == "<i3":  # the high bytes of 32 bits
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            data, dtype = wide.tobytes(), "<i4"
        values: npt.NDArray[Any] = np.frombuffer(data, dtype)
        samples: Samples = values.astype(np.float32)
        if dtype == "|u1":
            samples = samples / np.float32(128) - np.float32(1)
        elif values.dtype.kind == "i":
            samples = samples / np.float32(1 << (8 * values.itemsize - 1))
        else:
            samples = np.nan_to_num(samples).clip(-1, 1)
        mono: Samples = samples.reshape(-1, self._form.channels).mean(axis=1, dtype=np.float32)
        return mono


class _Resampled:
    """A decoder whose codec can't give the rate itself."""

    def __init__(self, decoder: Decoder, rate: int, wanted: int) -> None:
        self._decoder = decoder
        self._resampler = Resampler(rate, wanted)

    def push(self, data: bytes) -> list[Samples]:
        return [self._resampler.push(part) for part in self._decoder.push(data)]

    def flush(self) -> list[Samples]:
        parts = [self._resampler.push(part) for part in self._decoder.flush()]
        return [*parts, self._resampler.flush()]
