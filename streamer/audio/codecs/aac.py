"""AAC-LC by FFmpeg's own encoder; the header is the AudioSpecificConfig (ISO/IEC 14496-3)."""

from __future__ import annotations

from streamer.audio.codecs.base import Codec, Libav
from streamer.types import AudioFormat


def open_codec(audio: AudioFormat) -> Codec:
    libav = Libav("aac", audio, "fltp", {})
    # The first frame is the encoder's priming: one transform length before the sound.
    return Codec(
        frame_size=libav.frame_size,
        encode=libav.encode,
        lead_in=libav.frame_size,
        held=1,
        header=libav.extradata,
    )
