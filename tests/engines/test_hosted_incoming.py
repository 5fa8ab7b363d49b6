"""What a provider sends, in every form, cut anywhere, becomes the same sound; what is none is told."""

from __future__ import annotations

import contextlib
import random
import struct

import numpy as np
import pytest

from streamer.audio.container import wav_header
from streamer.engines.hosted.incoming import Incoming
from streamer.engines.hosted.sound_files import kind_of
from streamer.errors import InvalidMedia, InvalidMessage
from streamer.types import AudioFormat, Samples
from tests.providers.sounds import CONTENT_TYPES, encoded, spoken

RATE = 24000
SAID = spoken("one two three")


def heard(
    data: bytes, content_type: str = "", *, step: int = 0, most_s: float = 60, rate: int = RATE
) -> Samples:
    incoming = Incoming(content_type, rate, most_s)
    parts = []
    for at in range(0, len(data), step or len(data) or 1):
        parts += incoming.push(data[at : at + (step or len(data))])
    parts += incoming.flush()
    assert incoming.whole is None
    return np.concatenate([np.zeros(0, np.float32), *parts])


def likeness(samples: Samples, said: Samples) -> float:
    """Correlation, after the delay that a codec adds."""
    length = min(len(samples), len(said))
    spectrum = np.fft.rfft(samples, 1 << 17) * np.conj(np.fft.rfft(said, 1 << 17))
    delay = int(np.argmax(np.fft.irfft(spectrum)[:4096]))
    ours = samples[delay : delay + length]
    return float(np.corrcoef(ours, said[: len(ours)])[0, 1])


def wav(tag: int, bits: int, channels: int, rate: int, body: bytes, *, size: int = -1) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    if tag == 0xFFFE:
        kind = 3 if bits >= 64 else 1
        form += struct.pack("<HHIH", 22, bits, 4, kind) + bytes(14)
    told = len(body) if size < 0 else size
    head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", told)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + head + body


@pytest.mark.parametrize("name", ["wav", "pcm", "mp3", "opus", "flac"])
def test_sound_of_each_form_is_heard_however_it_is_cut(name: str) -> None:
    data = encoded(SAID, name)
    kind = CONTENT_TYPES[name]
    whole = heard(data, kind)
    assert likeness(whole, SAID) > 0.97
    assert len(whole) == pytest.approx(len(SAID), abs=3000)
    for step in (1, 7, 1000):
        pieces = heard(data, kind, step=step)
        assert np.array_equal(pieces, whole)
    if name != "pcm":
        assert np.array_equal(heard(data), whole)
        assert np.array_equal(heard(data, "application/octet-stream"), whole)


@pytest.mark.parametrize("name", ["wav", "mp3", "opus", "flac"])
def test_sound_of_another_rate_comes_at_ours(name: str) -> None:
    data = encoded(SAID, name, out=48000)
    whole = heard(data, CONTENT_TYPES[name])
    assert likeness(whole, SAID) > 0.97
    assert len(whole) == pytest.approx(len(SAID), abs=3000)


@pytest.mark.parametrize(
    ("tag", "bits", "dtype", "scale"),
    [
        (1, 16, "<i2", 32767),
        (1, 32, "<i4", 2**31 - 1),
        (3, 32, "<f4", 1),
        (3, 64, "<f8", 1),
        (0xFFFE, 16, "<i2", 32767),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_of_any_width_is_read(
    tag: int, bits: int, dtype: str, scale: float, channels: int
) -> None:
    body = np.repeat((SAID.astype(np.float64) * scale).astype(dtype), channels).tobytes()
    data = wav(tag, bits, channels, RATE, body)
    assert np.allclose(heard(data, step=999), SAID, atol=1e-4)


def test_a_wav_of_24_or_8_bits_is_read() -> None:
    wide = (SAID.astype(np.float64) * (2**31 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)
    assert np.allclose(heard(wav(1, 24, 1, RATE, wide[:, 1:].tobytes())), SAID, atol=1e-4)
    narrow = np.round(SAID * 127 + 128).astype(np.uint8).tobytes()
    assert np.allclose(heard(wav(1, 8, 1, RATE, narrow)), SAID, atol=0.02)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0])
def test_a_wav_that_does_not_know_its_size_goes_on_to_its_end(size: int) -> None:
    body = (SAID * 32767).astype("<i2").tobytes()
    assert len(heard(wav(1, 16, 1, RATE, body, size=size))) == len(SAID)


@pytest.mark.parametrize(("channels", "rate"), [(1, 24000), (2, 44100), (1, 16000)])
def test_a_wav_that_knows_its_size_tells_it_with_its_first_sound(channels: int, rate: int) -> None:
    body = bytes(2 * channels * 12_345)
    incoming = Incoming("audio/wav", RATE, 60.0)
    data = wav(1, 16, channels, rate, body)
    parts = incoming.push(data[:200])
    total = incoming.total
    parts += [*incoming.push(data[200:]), *incoming.flush()]
    assert total == sum(map(len, parts)) > 0
    unknown = Incoming("audio/wav", RATE, 60.0)
    unknown.push(wav(1, 16, 1, RATE, body, size=0))
    assert unknown.total is None


def test_what_follows_the_sound_of_a_wav_is_not_heard() -> None:
    body = (SAID * 32767).astype("<i2").tobytes()
    data = wav(1, 16, 1, RATE, body) + b"LIST" + bytes(2000)
    assert len(heard(data)) == len(SAID)


def test_a_wav_cut_short_is_told() -> None:
    data = wav(1, 16, 1, RATE, (SAID * 32767).astype("<i2").tobytes())
    with pytest.raises(InvalidMedia):
        heard(data[: len(data) // 2])


def test_pcm_is_what_its_type_says() -> None:
    stereo = np.repeat((SAID * 32767).astype(">i2"), 2).tobytes()
    assert np.allclose(heard(stereo, "audio/L16;rate=24000;channels=2"), SAID, atol=1e-4)
    slow = (SAID[::3] * 32767).astype("<i2").tobytes()
    assert len(heard(slow, 'audio/pcm; rate="8000"')) == len(SAID)


def test_a_tag_before_an_mp3_is_passed_over() -> None:
    data = encoded(SAID, "mp3")
    picture = b"\xff\xfb\x90\x00" * 5000  # looks like frames
    size = len(picture)
    told = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    tagged = b"ID3\x04\x00\x00" + told + picture + data
    for step in (0, 3, 1000):
        assert np.array_equal(heard(tagged, "audio/mpeg", step=step), heard(data, "audio/mpeg"))


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"<html><body>hello, world</body></html>", "text/html; charset=utf-8"),
        (b'{"error": {"message": "no such thing"}}', "application/json"),
        (b"RIFF\xff\xff\xff\xffWAVEdata" + bytes(100), "audio/wav"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt \x02\x00\x00\x00" + bytes(100), "audio/wav"),
        (b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\x7f" + bytes(100), "audio/wav"),
        (b"RIFFabc", "audio/wav"),
        (b"OggS" + bytes(24) + b"\x13OpusHead" + bytes(100), "audio/ogg"),
        (wav(1, 16, 1, 1, bytes(100)), "audio/wav"),
        (bytes(100), "audio/pcm; rate=999999"),
    ],
)
def test_what_is_no_sound_is_told(data: bytes, content_type: str) -> None:
    with pytest.raises((InvalidMedia, InvalidMessage)):
        heard(data, content_type, step=5)


def test_nothing_is_no_sound_and_no_fault() -> None:
    assert not len(heard(b""))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"OggS" + bytes(24) + b"\x01vorbis" + bytes(100), "audio/ogg"),
        (b"\x00\x00\x00\x1cftypM4A " + bytes(100), "audio/mp4"),
        (wav(7, 8, 1, 8000, bytes(100)), "audio/wav"),
        (encoded(SAID, "aac"), "audio/aac"),
    ],
)
def test_what_we_have_no_reader_for_is_kept_for_the_guard(data: bytes, kind: str) -> None:
    incoming = Incoming(kind, RATE, 60)
    for at in range(0, len(data), 9):
        assert incoming.push(data[at : at + 9]) == []
    assert incoming.flush() == []
    assert bytes(incoming.whole or b"") == data


def test_more_sound_than_may_be_is_told_at_once() -> None:
    header = wav_header(AudioFormat("pcm_s16le", "wav", RATE))
    incoming = Incoming("audio/wav", RATE, 1.0)
    incoming.push(header)
    incoming.push(bytes(47000))
    with pytest.raises(InvalidMedia):
        incoming.push(bytes(2000))


def test_bytes_go_before_the_content_type() -> None:
    assert kind_of(b"RIFF____WAVE", "audio/mpeg") == "wav"
    assert kind_of(b"fLaC" + bytes(12), "audio/wav") == "flac"
    assert kind_of(b"\xff\xf1" + bytes(14), "audio/aac") == "adts"
    assert kind_of(b"\xff\xfb" + bytes(14), "") == "mp3"
    assert kind_of(b"\xff\xfb" + bytes(14), "audio/pcm") == "pcm"


@pytest.mark.parametrize("name", ["wav", "mp3", "opus", "flac"])
def test_a_damaged_file_is_heard_or_told(name: str) -> None:
    rng = random.Random(5)
    sound = encoded(SAID, name)
    for _ in range(100):
        data = bytearray(sound)
        for _ in range(rng.randint(1, 20)):
            at = rng.randrange(len(data) if rng.random() < 0.5 else 200)
            data[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        with contextlib.suppress(InvalidMedia, InvalidMessage):
            incoming = Incoming(CONTENT_TYPES[name], RATE, 60)
            for at in range(0, len(data), 500):
                incoming.push(bytes(data[at : at + 500]))
            incoming.flush()
