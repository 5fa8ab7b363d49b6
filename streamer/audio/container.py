"""What packets are wrapped in: WAV, Ogg, ADTS, or a header in front. Bytes only, no codecs, no clock."""

from __future__ import annotations

import struct
import zlib
from typing import Protocol

from streamer.types import AudioFormat

UNKNOWN = 0xFFFFFFFF
"""The size of a WAV that is still being written, as FFmpeg and sox write it to a pipe."""

HEAD = 64
"""At least as many bytes as the longest header here."""

# Microsoft's WAVE format tags and bytes per sample.
_WAVE = {"pcm_s16le": (1, 2), "pcm_f32le": (3, 4), "pcm_alaw": (6, 1), "pcm_mulaw": (7, 1)}

# Index of a rate in an ADTS header (ISO/IEC 13818-7 table 35).
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)

_BEGIN, _END = 2, 4
_HEADER_PAGES = 2
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Muxer(Protocol):
    """Wraps packets so that their concatenation is a valid stream from the first byte. `head` is what comes
    before the first of them, in one piece with it."""

    @property
    def head(self) -> bytes: ...

    def mux(self, data: bytes, end: int, *, last: bool = False) -> bytes:
        """One packet; `end` is the pts after it, in output samples."""
        ...

    def close(self, end: int) -> bytes:
        """What a stream still needs whose last packet was not muxed as such; may be empty."""
        ...

    def rewind(self, sent: int) -> None:
        """All but the first `sent` things that came out of it were never sent: others follow these."""
        ...


class Prefixed:
    """A header, then the bare packets: WAV, FLAC; with an empty header MP3 and raw packets."""

    def __init__(self, header: bytes = b"") -> None:
        self.head = self._due = header

    def mux(self, data: bytes, end: int, *, last: bool = False) -> bytes:
        header, self._due = self._due, b""
        return header + data if header else data

    def close(self, end: int) -> bytes:
        header, self._due = self._due, b""
        return header

    def rewind(self, sent: int) -> None:
        self._due = b"" if sent else self.head


class Adts:
    """AAC with a 7-byte header before each packet (ISO/IEC 13818-7 section 6.2), without CRC."""

    head = b""

    def __init__(self, sample_rate: int, channels: int) -> None:
        # Sync word, MPEG-4, no CRC | object type LC - 1, rate index, channels | buffer fullness: VBR.
        index = _ADTS_RATES.index(sample_rate)
        self._fixed = 0xFFF1 << 40 | 1 << 38 | index << 34 | channels << 30 | 0x7FF << 2

    def mux(self, data: bytes, end: int, *, last: bool = False) -> bytes:
        return (self._fixed | (len(data) + 7) << 13).to_bytes(7, "big") + data

    def close(self, end: int) -> bytes:
        return b""

    def rewind(self, sent: int) -> None:
        pass


class Ogg:
    """Opus in Ogg (RFC 3533, RFC 7845), one packet a page.

    Our own because FFmpeg's muxer keeps each page until the next one comes, a frame of delay.
    """

    def __init__(self, opus_head: bytes, sample_rate: int) -> None:
        self._rate = sample_rate
        self._pre_skip = int.from_bytes(opus_head[10:12], "little")
        self._sequence = 0
        self._closed = False
        vendor = b"streamer"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
        self.head = self._due = self._page(opus_head, 0, _BEGIN) + self._page(tags, 0, 0)

    def mux(self, data: bytes, end: int, *, last: bool = False) -> bytes:
        self._closed = last
        header, self._due = self._due, b""
        return header + self._page(data, self._granule(end), _END if last else 0)

    def close(self, end: int) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        header, self._due = self._due, b""
        # A page without a packet: no lacing values, and so no position (RFC 3533 section 6).
        return header + self._seal(struct.pack("<qIIIB", -1, 1, self._sequence, 0, 0), _END, b"")

    def rewind(self, sent: int) -> None:
        self._closed = False
        self._due = b"" if sent else self.head
        self._sequence = _HEADER_PAGES + sent

    def _granule(self, end: int) -> int:
        return max(0, self._pre_skip + end * 48000 // self._rate)

    def _page(self, data: bytes, granule: int, flags: int) -> bytes:
        lacing = b"\xff" * (len(data) // 255) + bytes((len(data) % 255,))
        # The serial number only has to differ from other streams in the same file: there are none.
        fields = struct.pack("<qIIIB", granule, 1, self._sequence, 0, len(lacing))
        return self._seal(fields, flags, lacing + data)

    def _seal(self, fields: bytes, flags: int, body: bytes) -> bytes:
        self._sequence += 1
        page = b"OggS\x00" + bytes((flags,)) + fields + body
        return page[:22] + struct.pack("<I", ogg_crc(page)) + page[26:]


def ogg_crc(page: bytes) -> int:
    """Ogg's checksum: CRC-32 of the same polynomial as zlib's, but most significant bit first, from
    zero and not inverted; so zlib's over mirrored bytes, mirrored."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED), "big")


def wav_header(audio: AudioFormat, samples: int | None = None) -> bytes:
    """The header of a WAV of so many samples per channel; None: of one that is still being written.

    44 bytes for pcm_s16le; the others carry a `fact` chunk too, as the format asks.
    """
    assert audio.sample_rate is not None
    tag, width = _WAVE[audio.codec]
    block = width * audio.channels
    rate = audio.sample_rate
    fields = struct.pack("<HHIIHH", tag, audio.channels, rate, rate * block, block, width * 8)
    rest = b""
    if tag != 1:
        fields += b"\x00\x00"
        rest = b"fact" + struct.pack("<II", 4, UNKNOWN if samples is None else samples)
    head = b"WAVEfmt " + struct.pack("<I", len(fields)) + fields + rest + b"data"
    if samples is None or len(head) + 4 + samples * block >= UNKNOWN:
        return b"RIFF" + struct.pack("<I", UNKNOWN) + head + struct.pack("<I", UNKNOWN)
    size = samples * block
    return b"RIFF" + struct.pack("<I", len(head) + 4 + size) + head + struct.pack("<I", size)


def file_header(audio: AudioFormat, head: bytes, samples: int) -> bytes:
    """What the first bytes of a stream of so many samples are to be, now that it is a whole file; `head` is
    what they are (`HEAD` of them are enough). b"" where they are right."""
    match audio.container:
        case "wav":
            return wav_header(audio, samples)
        case "flac" if samples < 1 << 36:
            # STREAMINFO has the count in the last 36 bits of its bytes 10 to 17 (RFC 9639 section 8.2).
            at = len(b"fLaC") + 4 + 10
            fields = int.from_bytes(head[at : at + 8], "big")
            return head[:at] + (fields >> 36 << 36 | samples).to_bytes(8, "big")
        case _:
            return b""


def open_muxer(audio: AudioFormat, header: bytes) -> Muxer:
    """The muxer of a resolved format; `header` is the codec's."""
    assert audio.sample_rate is not None
    match audio.container:
        case "ogg":
            return Ogg(header, audio.sample_rate)
        case "adts":
            return Adts(audio.sample_rate, audio.channels)
        case "wav":
            return Prefixed(wav_header(audio))
        case "flac":
            return Prefixed(header)
        case _:
            return Prefixed()
