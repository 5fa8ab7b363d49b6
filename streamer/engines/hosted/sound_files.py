"""What a provider's bytes are, told by themselves first and by their content type second."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from streamer.errors import InvalidMedia

HEAD_BYTES = 16
"""So many bytes tell what a file is; a shorter one is none."""
_RATE = re.compile(r"\brate\s*=\s*\"?(\d{4,6})")
_CHANNELS = re.compile(r"\bchannels\s*=\s*\"?([12])\b")
_PCM_TYPES = ("audio/pcm", "audio/x-pcm", "audio/raw", "audio/x-raw", "audio/l16")
_UNKNOWN_SIZES = (0, 0x7FFFFFFF)
"""As much as these, or so much from 0x7fff0000 on, a header says that was written before its sound."""
RATES = range(4_000, 384_001)


@dataclass(frozen=True, slots=True)
class Pcm:
    """Bare samples: numpy's type of one, how many make -1..1, the rest as usual. `size`: bytes of sound
    there are, None where nobody knows."""

    dtype: str
    rate: int
    channels: int
    size: int | None = None

    @property
    def width(self) -> int:
        return 3 if self.dtype == "<i3" else int(self.dtype[-1])

    @property
    def block(self) -> int:
        """Bytes of one sample of each channel."""
        return self.width * self.channels

    @property
    def samples(self) -> int | None:
        """How many there are; None: nobody knows."""
        return None if self.size is None else self.size // self.block


def kind_of(head: bytes, content_type: str) -> str:
    """ "wav", "ogg", "flac", "mp3", "adts", "pcm", or "" for what only the guard may open. Raises
    `InvalidMedia` for what says that it is text."""
    base = content_type.partition(";")[0].strip().lower()
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if base in _PCM_TYPES:
        return "pcm"
    if base.startswith("text/") or base in ("application/json", "application/xml"):
        raise InvalidMedia(f"not sound but {base}", param="audio")
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "adts" if head[1] & 0x06 == 0 else "mp3"
    return ""


def pcm_of(content_type: str, rate: int) -> Pcm:
    """What bare samples are by their content type; RFC 2586's L16 has its high byte first."""
    told = content_type.lower()
    found, channels = _RATE.search(told), _CHANNELS.search(told)
    order = ">" if told.startswith("audio/l16") else "<"
    hertz = int(found[1]) if found else rate
    return Pcm(f"{order}i2", _checked(hertz), int(channels[1]) if channels else 1)


def wav_of(head: bytes) -> tuple[Pcm | None, int] | None:
    """The samples of a WAV and where they begin; None: more bytes are needed. (None, 0) is a WAV of
    something else. Raises `InvalidMedia`."""
    at, form = 12, None
    while len(head) >= at + 8:
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"data":
            if form is None:
                raise InvalidMedia("a WAV that does not say what it holds", param="audio")
            tag, channels, rate, block, bits = form
            dtype = _WAVE.get((tag, bits))
            if dtype is None or not 1 <= channels <= 8 or block != channels * bits // 8:
                return None, 0
            unknown = size in _UNKNOWN_SIZES or size >= 0x7FFF0000
            return Pcm(dtype, _checked(rate), channels, None if unknown else size), at + 8
        if name == b"fmt ":
            if len(head) < at + 8 + min(size, 40):
                return None
            if size < 16:
                raise InvalidMedia("a WAV that does not say what it holds", param="audio")
            tag, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", head, at + 8)
            if tag == 0xFFFE and size >= 26:  # extensible: the tag is in the subformat
                tag = int.from_bytes(head[at + 32 : at + 34], "little")
            form = (tag, channels, rate, block, bits)
        at += 8 + size + size % 2
        if at > 1 << 20:
            raise InvalidMedia("a WAV with a megabyte before its sound", param="audio")
    return None


_WAVE = {
    (1, 8): "|u1",
    (1, 16): "<i2",
    (1, 24): "<i3",
    (1, 32): "<i4",
    (3, 32): "<f4",
    (3, 64): "<f8",
}
"""Microsoft's format tag and bits to numpy's type ("<i3" is ours)."""


def id3_length(head: bytes) -> int:
    """How many bytes of tag precede an MP3 (ID3v2.4 section 3.1)."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _checked(rate: int) -> int:
    if rate not in RATES:
        raise InvalidMedia(f"a sample rate of {rate} Hz", param="audio")
    return rate
