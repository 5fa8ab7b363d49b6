"""Sounds to test with, ways of cutting them, and decoders that are not ours."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

import av
import numpy as np
import numpy.typing as npt

from streamer.audio.resampler import Resampler
from streamer.types import AudioFormat, Packet, Samples

Floats = npt.NDArray[np.float64]


def speech_like(rate: int, seconds: float, seed: int = 0) -> Samples:
    """A gliding voice of harmonics below 2.5 kHz with syllables and a little noise, peak 0.5."""
    time = np.arange(round(rate * seconds)) / rate
    pitch = 120 + 25 * np.sin(2 * np.pi * 1.3 * time + seed) + 8 * np.sin(2 * np.pi * 5.1 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(
        (np.sin(n * phase + n * n) / (1 + abs(n - 4)) for n in range(1, 17)), np.zeros(len(time))
    )
    syllables = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 2.2 * time + 0.7))
    noise = np.random.default_rng(seed).standard_normal(len(time)) * 0.02
    sound = voice * syllables + noise
    scaled: Samples = (sound / np.abs(sound).max() * 0.5).astype(np.float32)
    return scaled


def at_rate(sound: Samples, source_rate: int, rate: int) -> Samples:
    resampler = Resampler(source_rate, rate)
    return np.concatenate((resampler.push(sound), resampler.flush()))


def cuts(sound: Samples, sizes: Sequence[int]) -> Iterator[Samples]:
    """The sound in pieces of these sizes, over and over."""
    position = 0
    while position < len(sound):
        for size in sizes:
            yield sound[position : position + size]
            position += size


CUTTINGS: dict[str, Sequence[int]] = {
    "tiny": (1, 0, 2, 7, 1, 1, 13),
    "frames": (480,),
    "uneven": (331, 1, 4000, 77, 0, 1919, 481, 3),
}


def lag(reference: Samples, sound: Samples) -> int:
    """By how many samples `sound` is late."""
    size = 1 << (len(reference) + len(sound)).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    place = int(np.argmax(np.fft.irfft(spectrum, size)))
    return place if place < size // 2 else place - size


def likeness(reference: Samples, sound: Samples) -> float:
    """Correlation at lag 0 of two sounds of the same length."""
    return float(np.corrcoef(reference, sound)[0, 1])


def decode_file(data: bytes) -> tuple[Samples, int, int]:
    """First channel, rate and number of channels of a file, by FFmpeg's own demuxer and decoder."""
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        return _first_channel(frames), stream.rate, stream.layout.nb_channels


def decode_packets(audio: AudioFormat, header: bytes, packets: Sequence[Packet]) -> Samples:
    """First channel of bare packets, by FFmpeg's decoder; Opus is told no pre-skip and comes at 48 kHz,
    of which every n-th sample is taken."""
    name = {"mp3": "mp3float", "opus": "libopus"}.get(audio.codec, audio.codec)
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, av.AudioCodecContext)
    assert audio.sample_rate is not None
    context.sample_rate = audio.sample_rate
    context.layout = "mono" if audio.channels == 1 else "stereo"
    if header and audio.codec != "opus":
        context.extradata = header
    frames = [
        frame for packet in packets for frame in context.decode(av.Packet(packet.data))
    ] + context.decode(None)
    return _first_channel(frames)[:: frames[0].sample_rate // audio.sample_rate]


def _first_channel(frames: Sequence[av.AudioFrame]) -> Samples:
    if not frames:
        return np.zeros(0, np.float32)
    step = 1 if frames[0].format.is_planar else frames[0].layout.nb_channels
    sound = np.concatenate([frame.to_ndarray()[0][::step] for frame in frames])
    if sound.dtype == np.int16:
        return (sound / np.float32(32768)).astype(np.float32)
    return sound.astype(np.float32)


def push_all(push: Callable[[Samples], list[Samples]], pieces: Iterator[Samples]) -> list[Samples]:
    return [part for piece in pieces for part in push(piece)]


def joined(parts: Sequence[Samples]) -> Samples:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
