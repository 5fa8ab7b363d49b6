"""Small files of sound in the formats people upload, and what a fuzzer makes of them."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av
import numpy as np

from streamer.types import Samples

FORMATS: dict[str, tuple[str, str]] = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "libopus"),
    "flac": ("flac", "flac"),
    "m4a": ("ipod", "aac"),
    "webm": ("webm", "libopus"),
}
"""Suffix to FFmpeg's container and codec."""


def sine(seconds: float, frequency: float = 440.0, rate: int = 24_000) -> Samples:
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def encoded(
    suffix: str, sound: Samples, *, rate: int = 24_000, layout: str = "mono", frame: int = 1024
) -> bytes:
    """The sound as a file of that suffix; with layout `stereo`, the same on both sides."""
    container_name, codec = FORMATS[suffix]
    file = io.BytesIO()
    with av.open(file, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        form = stream.codec_context.format.name
        resampler = av.AudioResampler(format=form, layout=layout, rate=rate, frame_size=frame)
        packed = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
        packed.sample_rate, packed.pts, packed.time_base = rate, 0, Fraction(1, rate)
        for part in [*resampler.resample(packed), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    return file.getvalue()


def film(sound: Samples, *, rate: int = 24_000) -> bytes:
    """Ten pictures, and their sound in the second stream."""
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as container:
        video = container.add_stream("mjpeg", rate=10)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 64, "yuvj420p"
        audio = container.add_stream("pcm_s16le", rate=rate)
        assert isinstance(audio, av.AudioStream)
        audio.codec_context.layout = "mono"
        for number in range(10):
            picture = av.VideoFrame(64, 64, "yuvj420p")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            container.mux(video.encode(picture))
        samples = (sound * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux([*video.encode(None), *audio.encode(frame), *audio.encode(None)])
    return file.getvalue()


def flac_of_silence(seconds: int, rate: int = 8_000) -> bytes:
    """A small file with much sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 60 * rate), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        for minute in range(seconds // 60):
            frame.pts = minute * 60 * rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def pitch(sound: Samples, rate: int = 24_000) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * rate / len(sound)


def mutations(count: int, seed: int, seeds: Sequence[bytes] = ()) -> Iterator[bytes]:
    """Real files with flipped bits, cut off, spliced, with fields of their headers changed."""
    chance = random.Random(seed)
    sound = sine(0.4)
    files = [*seeds, *(encoded(suffix, sound) for suffix in FORMATS)]
    for _ in range(count):
        data = bytearray(chance.choice(files))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            _mutate(data, chance, files)
        yield bytes(data)


def _mutate(data: bytearray, chance: random.Random, files: Sequence[bytes]) -> None:
    kind = chance.randrange(6)
    at = chance.randrange(len(data) + 1)
    if kind == 0:
        for _ in range(chance.choice((1, 8, 64))):
            if data:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        other = chance.choice(files)
        data[at:] = other[chance.randrange(len(other)) :]
    elif kind == 3:
        at = chance.randrange(min(len(data), 256) + 1)
        value = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.getrandbits(32)))
        size = chance.choice((1, 2, 4))
        data[at : at + size] = value.to_bytes(4, chance.choice(("big", "little")))[:size]
    elif kind == 4:
        end = at + chance.randrange(2_000)
        data[at:at] = data[at:end] * chance.choice((1, 3, 40))
    else:
        data[at : at + chance.choice((4, 64, 1024))] = chance.randbytes(
            chance.choice((4, 64, 1024))
        )
