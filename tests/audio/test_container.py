from __future__ import annotations

import io
import wave

import numpy as np
import pytest

from streamer.audio.container import Adts, Ogg, Prefixed, ogg_crc, wav_header
from streamer.audio.encoder import open_encoder
from streamer.types import AudioFormat
from tests.audio.sounds import decode_file, speech_like

HEAD = b"OpusHead\x01\x01" + (120).to_bytes(2, "little") + (24000).to_bytes(4, "little") + bytes(3)


def bitwise_crc(data: bytes) -> int:
    """The checksum as RFC 3533 section 6 words it: one bit at a time."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return register


@pytest.mark.parametrize("data", [b"", b"\x00", b"OggS", bytes(range(256)) * 3])
def test_ogg_checksum_is_that_of_rfc_3533(data: bytes) -> None:
    assert ogg_crc(data) == bitwise_crc(data)


def test_ogg_begins_with_head_and_tags_on_pages_of_their_own() -> None:
    stream = Ogg(HEAD, 24000).mux(b"packet", 420)
    head, tags, sound = (b"OggS" + page for page in stream.split(b"OggS")[1:])
    assert head[5] == 2
    assert head[28:] == HEAD
    assert tags[28:36] == b"OpusTags"
    assert sound[28:] == b"packet"
    assert int.from_bytes(sound[6:14], "little") == 120 + 840
    for number, page in enumerate((head, tags, sound)):
        assert int.from_bytes(page[18:22], "little") == number
        blank = page[:22] + bytes(4) + page[26:]
        assert int.from_bytes(page[22:26], "little") == bitwise_crc(blank)


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 510, 3825])
def test_ogg_laces_packets_of_any_size(size: int) -> None:
    ogg = Ogg(HEAD, 48000)
    ogg.mux(b"", 0)
    page = ogg.mux(b"x" * size, 960, last=True)
    lacing = page[27 : 27 + page[26]]
    assert sum(lacing) == size == len(page) - 27 - len(lacing)
    assert lacing[-1] < 255
    assert page[5] == 4


def test_ogg_whose_last_packet_is_out_ends_with_a_page_of_its_own() -> None:
    encoder = open_encoder(AudioFormat("opus", "ogg"), 24000)
    packets = encoder.push(speech_like(24000, 0.1)[: 480 * 4 - 60])
    packets += encoder.push(np.zeros(60, np.float32))
    rest = encoder.flush()
    assert rest[-1].data[5] == 4
    decoded, _, _ = decode_file(b"".join(packet.data for packet in packets + rest))
    assert len(decoded) == 2 * encoder.samples


def test_opus_with_nothing_left_at_flush_still_ends_its_ogg() -> None:
    ogg = Ogg(HEAD, 24000)
    data = ogg.mux(b"packet", 420)
    end = ogg.close(420)
    assert end[5] == 4
    assert end[26] == 0
    assert ogg.close(420) == b""
    assert data[:4] == end[:4] == b"OggS"


def test_adts_header_is_seven_bytes_that_tell_rate_channels_and_size() -> None:
    frame = Adts(24000, 2).mux(bytes(100), 1024)
    bits = int.from_bytes(frame[:7], "big")
    assert len(frame) == 107
    assert bits >> 44 == 0xFFF
    assert bits >> 40 & 0xF == 0b0001
    assert bits >> 38 & 3 == 1
    assert bits >> 34 & 0xF == 6
    assert bits >> 30 & 7 == 2
    assert bits >> 13 & 0x1FFF == 107
    assert bits & 3 == 0


def test_prefix_comes_once_and_first() -> None:
    muxer = Prefixed(b"head")
    assert muxer.mux(b"a", 1) + muxer.mux(b"b", 2, last=True) + muxer.close(2) == b"headab"
    assert Prefixed(b"head").close(0) == b"head"


def test_wav_of_known_length_is_read_by_the_standard_library() -> None:
    audio = AudioFormat("pcm_s16le", "wav", 22050, 2)
    header = wav_header(audio, samples=3)
    assert len(header) == 44
    with wave.open(io.BytesIO(header + bytes(12))) as file:
        assert file.getparams()[:4] == (2, 2, 22050, 3)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"])
@pytest.mark.parametrize("known", [True, False])
def test_wav_is_read_by_ffmpeg_with_and_without_its_length(codec: str, known: bool) -> None:
    encoder = open_encoder(AudioFormat(codec, sample_rate=16000), 16000)
    packets = encoder.push(speech_like(16000, 0.1)) + encoder.flush()
    header = wav_header(encoder.format, encoder.samples if known else None)
    decoded, rate, channels = decode_file(header + b"".join(packet.data for packet in packets))
    assert (len(decoded), rate, channels) == (1600, 16000, 1)


def test_wav_that_is_being_written_has_the_sizes_of_a_pipe() -> None:
    header = wav_header(AudioFormat("pcm_s16le", "wav", 24000))
    assert header[4:8] == header[40:44] == b"\xff\xff\xff\xff"
