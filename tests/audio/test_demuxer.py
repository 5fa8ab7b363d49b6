from __future__ import annotations

import pytest

from streamer.audio.container import Ogg, wav_header
from streamer.audio.demuxer import (
    Blocks,
    OggPages,
    Packets,
    flac_header_length,
    open_demuxer,
    wav_header_length,
)
from streamer.errors import InvalidMessage
from streamer.types import AudioFormat

HEAD = b"OpusHead\x01\x01" + (312).to_bytes(2, "little") + (24000).to_bytes(4, "little") + bytes(3)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_ogg_pages_give_the_packets_that_were_muxed(size: int) -> None:
    packets = [bytes([n]) * (n * 85) for n in range(1, 8)]  # 255 and 510 among them.
    ogg = Ogg(HEAD, 48000)
    stream = b"".join(
        ogg.mux(data, 960 * n, last=n == len(packets)) for n, data in enumerate(packets, 1)
    )
    pages = OggPages()
    found = [
        packet
        for start in range(0, len(stream), size)
        for packet in pages.push(stream[start : start + size])
    ]
    assert found == packets
    assert pages.header == HEAD
    assert pages.total == 312 + 960 * len(packets)


def test_a_packet_may_span_pages() -> None:
    ogg = Ogg(HEAD, 48000)
    header = ogg.mux(b"", 0)
    header = header[: header.rindex(b"OggS")]
    first = b"OggS\x00\x00" + bytes(20) + b"\x01\xff" + b"a" * 255
    second = b"OggS\x00\x01" + bytes(20) + b"\x01\x03" + b"bcd"
    assert OggPages().push(header + first + second) == [b"a" * 255 + b"bcd"]


def test_blocks_are_whole() -> None:
    blocks = Blocks(4)
    assert blocks.push(b"abc") == []
    assert blocks.push(b"defghi") == [b"abcdefgh"]
    assert blocks.flush() == []


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le"])
def test_wav_header_ends_where_the_sound_begins(codec: str) -> None:
    header = wav_header(AudioFormat(codec, "wav", 24000))
    assert wav_header_length(header) == len(header)
    assert wav_header_length(header[:-1]) == 0
    more = header[:36] + b"LIST\x03\x00\x00\x00abc\x00" + header[36:]
    if codec == "pcm_s16le":
        assert wav_header_length(more) == len(more)


def test_flac_header_ends_after_the_last_metadata_block() -> None:
    info = b"\x00\x00\x00\x22" + bytes(34)
    padding = b"\x81\x00\x00\x08" + bytes(8)
    header = b"fLaC" + info + padding
    assert flac_header_length(header + b"frame") == len(header)
    assert [flac_header_length(header[:n]) for n in (0, 3, 41, 42, 46, len(header) - 1)] == [0] * 6


def test_bare_packets_pass() -> None:
    packets = open_demuxer(AudioFormat("opus"), HEAD)
    assert isinstance(packets, Packets)
    assert packets.header == HEAD
    assert packets.push(b"one") == [b"one"]
    assert packets.push(b"") == []


@pytest.mark.parametrize("read", [wav_header_length, flac_header_length])
def test_other_files_are_refused(read: type) -> None:
    with pytest.raises(InvalidMessage):
        read(b"ID3\x04 something else")
