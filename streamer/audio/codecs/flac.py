"""FLAC, 16 bits (RFC 9639); short blocks, so that nothing is held back longer than a frame."""

from __future__ import annotations

from streamer.audio.codecs.base import Codec, Libav, to_s16
from streamer.types import AudioFormat, Samples

# RFC 9639 section 8.1: last metadata block, type STREAMINFO, 34 bytes.
_STREAMINFO = b"fLaC\x80\x00\x00\x22"


def open_codec(audio: AudioFormat) -> Codec:
    assert audio.sample_rate is not None
    assert audio.frame_ms is not None
    frame_size = round(audio.sample_rate * audio.frame_ms / 1000)
    libav = Libav("flac", audio, "s16", {"frame_size": str(frame_size)})

    def encode(samples: Samples) -> list[bytes]:
        return libav.encode(to_s16(samples))

    return Codec(
        frame_size=frame_size,
        encode=encode,
        header=_STREAMINFO + libav.extradata,
        short_frames=True,
        finish=libav.finish,
    )
