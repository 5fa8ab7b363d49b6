"""MP3 by LAME, constant bit rate, without the bit reservoir: it would hold back one more frame."""

from __future__ import annotations

from streamer.audio.codecs.base import Codec, Libav
from streamer.types import AudioFormat

# LAME's encoder delay (576) and the delay every MP3 decoder has (528 + 1), its technical FAQ.
LEAD_IN = 576 + 529


def open_codec(audio: AudioFormat) -> Codec:
    libav = Libav("libmp3lame", audio, "fltp", {"reservoir": "0"})
    return Codec(frame_size=libav.frame_size, encode=libav.encode, lead_in=LEAD_IN, held=1)
