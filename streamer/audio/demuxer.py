"""Bytes of a container, cut anywhere, into packets: what `streamer.audio.decoder` reads before a codec.

Made for streams as our encoder and the speech services write them; not for files of unknown origin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import av

from streamer.errors import InvalidMessage
from streamer.types import AudioFormat

_PAGE = 27  # Bytes of an Ogg page before its lacing values.


class Demuxer(Protocol):
    """`header`: the codec's, as soon as it has been read. `total`: decoded samples at 48 kHz in all,
    where the container says so and the end has come. Bytes that can't be are `InvalidMessage`."""

    header: bytes
    total: int | None

    def push(self, data: bytes) -> list[bytes]: ...

    def flush(self) -> list[bytes]: ...


class Packets:
    """No container: what is pushed are packets."""

    def __init__(self, header: bytes = b"") -> None:
        self.header = header
        self.total: int | None = None

    def push(self, data: bytes) -> list[bytes]:
        return [data] if data else []

    def flush(self) -> list[bytes]:
        return []


class Blocks:
    """PCM: any bytes, given in whole blocks of `size`; `read_header` eats what comes before them."""

    def __init__(self, size: int, read_header: Callable[[bytes], int] | None = None) -> None:
        self.header = b""
        self.total: int | None = None
        self._size = size
        self._read_header = read_header
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        self._rest += data
        if self._read_header is not None:
            length = self._read_header(self._rest)
            if not length:
                return []
            self._rest = self._rest[length:]
            self._read_header = None
        whole = len(self._rest) - len(self._rest) % self._size
        block, self._rest = self._rest[:whole], self._rest[whole:]
        return [block] if block else []

    def flush(self) -> list[bytes]:
        return []


class Parser:
    """Frames that mark their own beginning (MP3, ADTS, FLAC), found by FFmpeg's parsers.

    A frame's end is known when the next begins.
    """

    def __init__(self, codec: str, read_header: Callable[[bytes], int] | None = None) -> None:
        self.header = b""
        self.total: int | None = None
        self._context = av.CodecContext.create(codec, "r")
        self._read_header = read_header
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        if self._read_header is not None:
            self._rest += data
            length = self._read_header(self._rest)
            if not length:
                return []
            self.header, data = self._rest[:length], self._rest[length:]
            self._rest, self._read_header = b"", None
        return [bytes(packet) for packet in self._context.parse(data)] if data else []

    def flush(self) -> list[bytes]:
        packets: list[bytes] = []
        # The FLAC parser keeps ten frames and gives them up one by one.
        while rest := self._context.parse(None):
            packets += [bytes(packet) for packet in rest]
        return packets


class OggPages:
    """Opus packets of one Ogg stream (RFC 3533, RFC 7845)."""

    def __init__(self) -> None:
        self.header = b""
        self.total: int | None = None
        self._rest = b""
        self._open = b""  # A packet that goes on in the next page.
        self._headers = 2

    def push(self, data: bytes) -> list[bytes]:
        self._rest += data
        packets: list[bytes] = []
        while len(self._rest) >= _PAGE:
            if self._rest[:4] != b"OggS":
                raise InvalidMessage("not an Ogg page", param="audio")
            lacing = self._rest[_PAGE : _PAGE + self._rest[26]]
            size = _PAGE + self._rest[26] + sum(lacing)
            if len(lacing) < self._rest[26] or len(self._rest) < size:
                break
            self._page(self._rest[:size], lacing, packets)
            self._rest = self._rest[size:]
        return packets

    def flush(self) -> list[bytes]:
        return []

    def _page(self, page: bytes, lacing: bytes, packets: list[bytes]) -> None:
        position = _PAGE + len(lacing)
        for size in lacing:
            self._open += page[position : position + size]
            position += size
            if size < 255:
                self._packet(self._open, packets)
                self._open = b""
        granule = int.from_bytes(page[6:14], "little", signed=True)
        if page[5] & 4 and granule >= 0:
            self.total = granule

    def _packet(self, packet: bytes, packets: list[bytes]) -> None:
        if not self._headers:
            packets.append(packet)
            return
        if self._headers == 2:
            if not packet.startswith(b"OpusHead") or len(packet) < 19:
                raise InvalidMessage("not Opus in Ogg", param="audio")
            self.header = packet
        self._headers -= 1


def wav_header_length(data: bytes) -> int:
    """Where the sound of a WAV begins; 0: not yet known."""
    if len(data) >= 12 and (data[:4] != b"RIFF" or data[8:12] != b"WAVE"):
        raise InvalidMessage("not a WAV", param="audio")
    position = 12
    while len(data) >= position + 8:
        if data[position : position + 4] == b"data":
            return position + 8
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return 0


def flac_header_length(data: bytes) -> int:
    """Where the first frame of a FLAC begins; 0: not yet known."""
    if len(data) >= 4 and data[:4] != b"fLaC":
        raise InvalidMessage("not a FLAC stream", param="audio")
    position = 4
    while len(data) >= position + 4:
        last = data[position] & 0x80
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
        if last:
            return position if len(data) >= position else 0
    return 0


def open_demuxer(audio: AudioFormat, header: bytes = b"") -> Demuxer:
    """The demuxer of a resolved format."""
    match audio.codec, audio.container:
        case _, "ogg":
            return OggPages()
        case "mp3", _:
            return Parser("mp3float")
        case "aac", "adts":
            return Parser("aac")
        case "flac", "flac":
            return Parser("flac", flac_header_length)
        case (("pcm_s16le" | "pcm_f32le" | "pcm_mulaw" | "pcm_alaw"), container):
            width = {"pcm_s16le": 2, "pcm_f32le": 4}.get(audio.codec, 1)
            wav = wav_header_length if container == "wav" else None
            return Blocks(width * audio.channels, wav)
        case _:
            return Packets(header)
