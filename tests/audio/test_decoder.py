from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from streamer.audio.decoder import Decoder, decode
from streamer.audio.encoder import CODECS, open_encoder
from streamer.errors import InvalidMessage, RequestError
from streamer.types import AudioFormat
from tests.audio.sounds import at_rate, joined, lag, likeness, speech_like

EVERY = [
    pytest.param(
        AudioFormat(codec, container, rate, channels), id=f"{codec}-{container}-{rate}-{channels}"
    )
    for codec, row in CODECS.items()
    for container in row.containers
    for rate in row.rates
    for channels in (1, 2)
]
CONTAINED = [
    pytest.param(AudioFormat(codec, container), id=f"{codec}-{container}")
    for codec, row in CODECS.items()
    for container in row.containers
    if container != "none" or codec in {"mp3", "pcm_s16le", "pcm_f32le", "pcm_mulaw"}
]


@pytest.mark.parametrize("audio", EVERY)
def test_decoder_gives_back_what_the_encoder_was_given(audio: AudioFormat) -> None:
    sound = speech_like(24000, 0.3)
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(sound) + encoder.flush()
    decoder = Decoder(encoder.format, encoder.header, encoder.lead_in)
    parts = [part for packet in packets for part in decoder.push(packet.data)] + decoder.flush()
    decoded = joined(parts)
    assert all(len(part) and part.dtype == np.float32 for part in parts)
    assert len(decoded) >= encoder.samples
    if audio.container == "ogg" or encoder.format.codec.startswith(("pcm", "flac")):
        assert len(decoded) == encoder.samples
    expected = at_rate(sound, 24000, encoder.format.sample_rate or 0)
    decoded = decoded[: len(expected)]
    assert abs(lag(expected, decoded)) <= 1
    assert likeness(expected, decoded) > 0.9


@pytest.mark.parametrize("audio", CONTAINED)
@pytest.mark.parametrize("size", [1, 97])
def test_a_containers_bytes_may_be_cut_anywhere(audio: AudioFormat, size: int) -> None:
    encoder = open_encoder(audio, 24000)
    packets = encoder.push(speech_like(24000, 0.1)) + encoder.flush()
    stream = b"".join(packet.data for packet in packets)
    whole = Decoder(encoder.format, encoder.header, encoder.lead_in)
    cut = Decoder(encoder.format, encoder.header, encoder.lead_in)
    expected = joined(whole.push(stream) + whole.flush())
    pieces = (stream[i : i + size] for i in range(0, len(stream), size))
    decoded = joined([part for piece in pieces for part in cut.push(piece)] + cut.flush())
    assert len(expected) >= encoder.samples
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize("codec", ["opus", "pcm_s16le"])
def test_sound_comes_out_with_its_packet(codec: str) -> None:
    encoder = open_encoder(AudioFormat(codec), 24000)
    decoder = Decoder(encoder.format, encoder.header, encoder.lead_in)
    got = 0
    for packet in encoder.push(speech_like(24000, 0.2)):
        got += sum(map(len, decoder.push(packet.data)))
        # Opus is decoded at 48 kHz, and the change of rate holds back 33 of these.
        assert got >= packet.pts + packet.duration - 17


def test_nothing_in_is_nothing_out() -> None:
    decoder = Decoder(AudioFormat())
    assert decoder.push(b"") == decoder.flush() == []


@pytest.mark.parametrize(
    "audio",
    [
        AudioFormat("opus"),
        AudioFormat("opus", "ogg"),
        AudioFormat("flac", "flac"),
        AudioFormat("pcm_s16le", "wav"),
    ],
    ids=lambda audio: f"{audio.codec}-{audio.container}",
)
def test_nonsense_is_a_typed_error(audio: AudioFormat) -> None:
    with pytest.raises(InvalidMessage):
        Decoder(audio).push(b"\xffThis is no sound at all, is it?" * 3)


def test_vorbis_in_ogg_is_refused() -> None:
    encoder = open_encoder(AudioFormat("opus", "ogg"), 24000)
    data = encoder.push(np.zeros(480, np.float32))[0].data.replace(b"OpusHead", b"\x01vorbis\x00")
    with pytest.raises(InvalidMessage):
        Decoder(encoder.format).push(data)


def test_unknown_format_names_its_parameter() -> None:
    with pytest.raises(RequestError) as caught:
        Decoder(dataclasses.replace(AudioFormat(), codec="vorbis"))
    assert caught.value.param == "audio.codec"


@pytest.mark.parametrize(
    ("codec", "container"),
    [("opus", "ogg"), ("mp3", "mp3"), ("aac", "adts"), ("flac", "flac"), ("pcm_mulaw", "wav")],
)
def test_a_whole_file_is_decoded_with_its_rate(codec: str, container: str) -> None:
    encoder = open_encoder(AudioFormat(codec, container, channels=2), 24000)
    packets = encoder.push(speech_like(24000, 0.3)) + encoder.flush()
    sound, rate = decode(b"".join(packet.data for packet in packets))
    assert rate == (48000 if codec == "opus" else 24000)
    assert sound.dtype == np.float32
    end = encoder.lead_in + encoder.samples * rate // 24000
    expected = at_rate(speech_like(24000, 0.3), 24000, rate)
    assert likeness(expected, sound[encoder.lead_in : end]) > 0.9


@pytest.mark.parametrize(
    "data", [b"", b"ID3", b"ffconcat version 1.0\nfile secret.wav\n", bytes(1000)]
)
def test_what_is_no_sound_file_is_a_typed_error(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode(data)
