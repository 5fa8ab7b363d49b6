"""Vorbis in Ogg by libvorbis, through libsndfile (package `soundfile`, extra `vorbis`): whole files alone.

PyAV's FFmpeg has no libvorbis, and FFmpeg's own Vorbis encoder keeps to no rate. libvorbis has a quality
as libsndfile drives it, and what rate comes of it depends on the sound: it is tried, and measured.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from streamer.audio.container import ogg_crc
from streamer.audio.resampler import Resampler
from streamer.errors import NotAvailable
from streamer.types import AudioFormat, Samples

MIME = "audio/ogg; codecs=vorbis"

QUALITIES = tuple(step / 20 for step in range(20, -1, -1))
"""As libsndfile counts them: 0.0 is libvorbis's quality 0."""
BANDS = (
    *(72, 66, 60, 55, 50, 46, 42, 39, 36, 33, 30, 28, 26, 24, 22),
    *(20, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4),
)
"""How much of the band is left, in eightieths, where the least quality is still too much."""
STEPS: Sequence[tuple[float, int]] = (
    *((quality, 80) for quality in QUALITIES),
    *((0.0, band) for band in BANDS),
)
"""Quality and band, from the largest file to the smallest."""

PROBE_S, PROBES = 4, 4
"""Sound that a step is tried on before the whole: so many pieces of so many seconds."""
BLOCK = 4096
"""Frames that are encoded at a time: libvorbis takes what it is given at once onto its stack."""


def load() -> Any:
    """The package. Raises `NotAvailable` where it is missing, or its library is."""
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError):
        raise NotAvailable(
            "Vorbis needs the package soundfile: install it, or Streamer with the extra 'vorbis'"
        ) from None


def bit_rate_of(audio: AudioFormat) -> int:
    """In bit/s: what is asked for, or two bits a sample, and half as many again for a second channel."""
    assert audio.sample_rate is not None
    return audio.bit_rate or audio.sample_rate * (1 + audio.channels)


def encode(
    sound: BinaryIO, audio: AudioFormat, target: BinaryIO, between: Callable[[], None]
) -> None:
    """Write `sound` (mono, 16 bit little-endian, at the rate of `audio`) into the empty `target`, in the
    best quality whose mean rate is within that of `audio`. Both files can seek. It takes 1 to 3 % of the
    sound's length.

    The rate is that of the pages with sound; before them are 3 to 5 kB of headers, which would be most of
    a short file. Calls `between` often: what it raises ends it. Raises `NotAvailable`, and `OSError` as
    the files do.
    """
    assert audio.sample_rate is not None
    soundfile, rate, limit = load(), audio.sample_rate, bit_rate_of(audio)
    total = sound.seek(0, 2) // 2

    def bits_per_s(step: int, spans: Sequence[tuple[int, int]]) -> float:
        target.seek(0)
        target.truncate()
        out = _Target(target)
        quality, band = STEPS[step]
        with soundfile.SoundFile(
            out,
            "w",
            rate,
            audio.channels,
            "VORBIS",
            format="OGG",
            compression_level=1.0 - quality,
        ) as file:
            for block in _banded(_blocks(sound, spans), rate, band):
                between()
                file.write(np.repeat(block[:, np.newaxis], audio.channels, axis=1))
                out.check()
        out.check()
        samples = sum(end - begin for begin, end in spans)
        return 8 * _sounding(target) * rate / samples if samples else 0.0

    whole = ((0, total),)
    size = PROBE_S * rate
    if total > PROBES * size:
        gap = (total - size) // (PROBES - 1)
        probe: Sequence[tuple[int, int]] = [(n * gap, n * gap + size) for n in range(PROBES)]
    else:
        probe = whole
    least, most = 0, len(STEPS) - 1
    while least < most:
        middle = (least + most) // 2
        if bits_per_s(middle, probe) <= limit:
            most = middle
        else:
            least = middle + 1
    further = 1  # where the whole is worse than its pieces
    while (mean := bits_per_s(least, whole)) > limit and least < len(STEPS) - 1:
        least, further = min(least + further, len(STEPS) - 1), 2 * further
    _tell_rate(target, round(mean))


def _blocks(sound: BinaryIO, spans: Sequence[tuple[int, int]]) -> Iterator[Samples]:
    for begin, end in spans:
        for at in range(begin, end, BLOCK):
            sound.seek(2 * at)
            data = sound.read(2 * min(BLOCK, end - at))
            yield np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def _banded(blocks: Iterator[Samples], rate: int, band: int) -> Iterator[Samples]:
    """The same sound, of the same length, with its upper frequencies left out."""
    if band == 80:
        yield from blocks
        return
    down, up = Resampler(rate, rate * band // 80), Resampler(rate * band // 80, rate)
    left = 0
    for block in blocks:
        left += len(block)
        ready = up.push(down.push(block))
        left -= len(ready)
        yield ready
    rest = np.concatenate((up.push(down.flush()), up.flush()))[:left]
    for at in range(0, len(rest), BLOCK):
        yield rest[at : at + BLOCK]


def _sounding(file: BinaryIO) -> int:
    """Bytes of the pages after the headers', which say position 0 (RFC 3533, section 6)."""
    end, at = file.seek(0, 2), 0
    while at < end:
        file.seek(at)
        head = file.read(27)
        lacing = file.read(head[26])
        if head[6:14] != bytes(8):
            break
        at += 27 + len(lacing) + sum(lacing)
    return end - at


def _tell_rate(file: BinaryIO, bits_per_s: int) -> None:
    """Into the first header, where libvorbis has the usual rate of the quality (Vorbis I, section 4.2.2)."""
    file.seek(0)
    page = bytearray(file.read(28 + 30))
    struct.pack_into("<i", page, 28 + 20, bits_per_s)
    struct.pack_into("<I", page, 22, 0)
    struct.pack_into("<I", page, 22, ogg_crc(bytes(page)))
    file.seek(0)
    file.write(page)


class _Target:
    """What libsndfile writes to. It takes no exception from a callback, so that `check` has to raise it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._failure = error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure
