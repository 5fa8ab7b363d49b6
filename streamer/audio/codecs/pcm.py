"""Sound that is not compressed over time: 16-bit and float PCM, mu-law and A-law (ITU-T G.711)."""

from __future__ import annotations

import numpy as np

from streamer.audio.codecs.base import Codec, Libav, to_s16
from streamer.types import AudioFormat, Samples


def open_codec(audio: AudioFormat) -> Codec:
    assert audio.sample_rate is not None
    assert audio.frame_ms is not None
    channels = audio.channels

    def s16le(samples: Samples) -> list[bytes]:
        return [np.repeat(to_s16(samples), channels).astype("<i2", copy=False).tobytes()]

    def f32le(samples: Samples) -> list[bytes]:
        return [np.repeat(samples, channels).astype("<f4", copy=False).tobytes()]

    def g711(samples: Samples) -> list[bytes]:
        return libav.encode(to_s16(samples))

    encode = {"pcm_s16le": s16le, "pcm_f32le": f32le}.get(audio.codec, g711)
    if encode is g711:
        libav = Libav(audio.codec, audio, "s16", {})
    return Codec(
        frame_size=round(audio.sample_rate * audio.frame_ms / 1000),
        encode=encode,
        short_frames=True,
        rewind=lambda sent: None,
    )
