"""What a listener hears of packets: decoded samples, the first audible one, clicks, loudness. Pure.

Decoding is PyAV's own, not ours, so that the encoders are judged by somebody else.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from bench.wire import Record, Sound

Samples = npt.NDArray[np.float32]
AUDIBLE_DBFS = -50.0
AUDIBLE = 10 ** (AUDIBLE_DBFS / 20)
_PCM = {"pcm_s16le": ("<i2", 32768.0), "pcm_f32le": ("<f4", 1.0)}


def _mono(frame: av.AudioFrame) -> Samples:
    sound = frame.to_ndarray()
    if not frame.format.is_planar:
        sound = sound.reshape(-1, len(frame.layout.channels)).T
    if sound.dtype.kind == "i":
        sound = sound / float(2 ** (8 * sound.dtype.itemsize - 1))
    mean: Samples = sound.mean(axis=0).astype(np.float32)
    return mean


class PacketDecoder:
    """Decodes bare packets of a codec, as `started` describes it. Output is mono at `rate`."""

    def __init__(self, audio: dict[str, Any], header: bytes) -> None:
        self._pcm = _PCM.get(audio["codec"])
        self.rate = 48000 if audio["codec"] == "opus" else int(audio["sample_rate"])
        if self._pcm is None:
            codec: Any = av.CodecContext.create(audio["codec"], "r")
            codec.extradata = header or None
            if audio["codec"] in ("pcm_mulaw", "pcm_alaw"):
                codec.sample_rate = audio["sample_rate"]
                codec.layout = "mono" if audio["channels"] == 1 else "stereo"
            self._codec = codec
        self._channels = int(audio["channels"])

    def decode(self, data: bytes) -> Samples:
        if self._pcm is not None:
            kind, full = self._pcm
            stereo = np.frombuffer(data, kind).reshape(-1, self._channels)
            sound: Samples = (stereo.mean(axis=1) / full).astype(np.float32)
            return sound
        frames = self._codec.decode(av.Packet(data))
        return np.concatenate([np.zeros(0, np.float32), *map(_mono, frames)])


def decoder_of(record: Record) -> PacketDecoder:
    return PacketDecoder(
        record.started["audio"], base64.b64decode(record.started.get("header") or "")
    )


def first_audible(record: Record) -> Sound | None:
    """The packet that holds the first sample over -50 dBFS."""
    decoder = decoder_of(record)
    for sound in record.sounds:
        if np.abs(decoder.decode(sound.data)).max(initial=0.0) > AUDIBLE:
            return sound
    return None


def samples_of(record: Record) -> Samples:
    """All sound of a context, mono, at the decoder's rate, lead-in not trimmed."""
    decoder = decoder_of(record)
    pieces = [decoder.decode(sound.data) for sound in record.sounds]
    return np.concatenate([np.zeros(0, np.float32), *pieces])


def first_over(samples: Samples, threshold: float = AUDIBLE) -> int | None:
    """Index of the first audible sample."""
    over = np.flatnonzero(np.abs(samples) > threshold)
    return int(over[0]) if len(over) else None


def loudness(pieces: Sequence[Samples], rate: int) -> float:
    """Integrated loudness in LUFS (EBU R 128) as FFmpeg's `ebur128` measures it."""
    sound = np.concatenate(list(pieces))
    graph: Any = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", channels=1)
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    step = rate // 10
    value = float("-inf")
    padded = np.concatenate([sound, np.zeros(-len(sound) % step, np.float32)])
    for at in range(0, len(padded), step):
        block = np.ascontiguousarray(padded[at : at + step][None])
        frame = av.AudioFrame.from_ndarray(block, "flt", "mono")
        frame.sample_rate, frame.pts = rate, at
        graph.push(frame)
        value = float(graph.pull().metadata["lavfi.r128.I"])
    return value


def largest_step(samples: Samples) -> float:
    """The largest difference of neighbouring samples."""
    return float(np.abs(np.diff(samples)).max(initial=0.0))


def steps_at_joins(samples: Samples, joins: Sequence[int], radius: int) -> tuple[float, float]:
    """The largest sample step within `radius` of a join, and the largest anywhere else."""
    steps = np.abs(np.diff(samples))
    near = np.zeros(len(steps), bool)
    for join in joins:
        near[max(0, join - radius) : join + radius] = True
    return float(steps[near].max(initial=0.0)), float(steps[~near].max(initial=0.0))
