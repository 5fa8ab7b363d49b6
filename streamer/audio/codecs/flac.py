"""FLAC, 16 bits (RFC 9639); short blocks, so that nothing is held back longer than a frame."""

from __future__ import annotations

from streamer.audio.codecs.base import Codec, Libav, to_s16
from streamer.types import AudioFormat, Samples

# RFC 9639 section 8.1: last metadata block, type STREAMINFO, 34 bytes.
_STREAMINFO = b"fLaC\x80\x00\x00\x22"


def open_codec(audio: AudioFormat) -> Codec:
    frames = _Frames(audio)
    return Codec(
        frame_size=frames.size,
        encode=frames.encode,
        header=_STREAMINFO + frames.libav.extradata,
        short_frames=True,
        finish=frames.finish,
        rewind=frames.rewind,
    )


class _Frames:
    """Frames carry their number: behind a rewind FFmpeg's count from 0 again, and are numbered anew."""

    def __init__(self, audio: AudioFormat) -> None:
        assert audio.sample_rate is not None
        assert audio.frame_ms is not None
        self.size = round(audio.sample_rate * audio.frame_ms / 1000)
        self._audio = audio
        self._next: int | None = None
        self.libav = self._open()

    def _open(self) -> Libav:
        return Libav("flac", self._audio, "s16", {"frame_size": str(self.size)})

    def encode(self, samples: Samples) -> list[bytes]:
        return self._numbered(self.libav.encode(to_s16(samples)))

    def finish(self) -> list[bytes]:
        return self._numbered(self.libav.finish())

    def rewind(self, sent: int) -> None:
        self.libav = self._open()
        self._next = sent or None

    def _numbered(self, frames: list[bytes]) -> list[bytes]:
        if self._next is None:
            return frames
        begin, self._next = self._next, self._next + len(frames)
        return [numbered(frame, number) for number, frame in enumerate(frames, begin)]


def numbered(frame: bytes, number: int) -> bytes:
    """The frame under another number (RFC 9639 section 9.1.5), both checksums made anew."""
    behind = 4 + _length(frame[4])
    end = behind + {6: 1, 7: 2}.get(frame[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    head = frame[:4] + _coded(number) + frame[behind:end]
    sound = head + bytes((_crc(head, _CRC8, 8),)) + frame[end + 1 : -2]
    return sound + _crc(sound, _CRC16, 16).to_bytes(2, "big")


def _length(first: int) -> int:
    """Of a number coded as in UTF-8 whose first byte this is."""
    return 1 if first < 0x80 else 8 - (first ^ 0xFF).bit_length()


def _coded(number: int) -> bytes:
    """As UTF-8 codes it, up to 31 bits."""
    if number < 0x80:
        return bytes((number,))
    rest: list[int] = []
    while number >= 1 << (6 - len(rest)):
        rest.append(0x80 | number & 0x3F)
        number >>= 6
    first = (0xFF00 >> (len(rest) + 1) & 0xFF) | number
    return bytes((first, *reversed(rest)))


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        register = byte << (bits - 8)
        for _ in range(8):
            register = register << 1 ^ (polynomial if register >> (bits - 1) else 0)
        rows.append(register & (1 << bits) - 1)
    return tuple(rows)


# RFC 9639 sections 9.1.8 and 9.3.
_CRC8, _CRC16 = _table(0x107, 8), _table(0x18005, 16)


def _crc(data: bytes, table: tuple[int, ...], bits: int) -> int:
    register, shift, mask = 0, bits - 8, (1 << bits) - 1
    for byte in data:
        register = (register << 8 ^ table[register >> shift ^ byte]) & mask
    return register
