"""Opus by libopus (RFC 6716), in its low-delay mode: 2.5 ms of pre-skip instead of 6.5."""

from __future__ import annotations

from streamer.audio.codecs.base import Codec, Libav
from streamer.types import AudioFormat

# RFC 6716: TOC of 2.5 ms of fullband CELT, then the range coder's bytes of the flag "silence" and nothing
# else. It resets the energies that a decoder predicts the next packet's from: without it the first 20 ms of
# what does not follow on the packet before it came out up to 7 dB too loud.
_SILENCE = b"\xe0\xff\xfe"


def open_codec(audio: AudioFormat) -> Codec:
    options = {"application": "lowdelay", "frame_duration": f"{audio.frame_ms:g}"}
    # Float input saves our conversion and the encoder's own.
    libav = Libav("libopus", audio, "flt", options)
    assert audio.sample_rate is not None
    # RFC 7845 section 5.1: pre-skip at 48 kHz, little-endian, at byte 10 of OpusHead.
    pre_skip = int.from_bytes(libav.extradata[10:12], "little")
    return Codec(
        frame_size=libav.frame_size,
        encode=libav.encode,
        lead_in=pre_skip * audio.sample_rate // 48000,
        header=libav.extradata,
        splice=_SILENCE,
        splice_size=audio.sample_rate // 400,
    )
