"""Vorbis: real files, by another's decoder, of no more bits than were asked for."""

from __future__ import annotations

import io
import sys

import av
import numpy as np
import pytest

from streamer.audio import vorbis
from streamer.errors import NotAvailable
from streamer.protocols.runware.tables import BIT_RATES
from streamer.types import AudioFormat, Samples
from tests.audio.sounds import decode_file, likeness, speech_like

ENDS = [
    (rate, channels, bit_rate)
    for channels in (1, 2)
    for rate, ends in BIT_RATES["OGG", channels].items()
    for bit_rate in ends
]
"""Both ends of each range in Runware's document, in kbit/s."""


def nothing() -> None:
    pass


def pcm(sound: Samples) -> io.BytesIO:
    return io.BytesIO(np.rint(sound * 32767).astype("<i2").tobytes())


def encoded(sound: Samples, rate: int, channels: int = 1, bit_rate: int | None = None) -> bytes:
    """`bit_rate` in kbit/s."""
    asked = None if bit_rate is None else bit_rate * 1000
    target = io.BytesIO()
    audio = AudioFormat("vorbis", "ogg", rate, channels, asked)
    vorbis.encode(pcm(sound), audio, target, nothing)
    return target.getvalue()


def kilobits(data: bytes, seconds: float) -> float:
    """The mean rate of the pages with sound, found by another way than the encoder's: by their packets."""
    with av.open(io.BytesIO(data), "r") as container:
        packets = sum(packet.size for packet in container.demux(audio=0))
    return packets * 8 / seconds / 1000


@pytest.mark.parametrize(("rate", "channels", "bit_rate"), ENDS)
def test_the_mean_rate_is_within_the_one_asked_for(rate: int, channels: int, bit_rate: int) -> None:
    sound = speech_like(rate, 3)
    data = encoded(sound, rate, channels, bit_rate)
    assert kilobits(data, 3) <= bit_rate
    assert len(data) * 8 / 3 <= bit_rate * 1000 + 5000 * 8 / 3, "headers of 5 kB at most"
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "vorbis"
        assert 0 < (stream.bit_rate or 0) <= bit_rate * 1000, "as a player shows it"
        assert container.duration == pytest.approx(3_000_000, abs=1)
    heard, heard_rate, heard_channels = decode_file(data)
    assert (heard_rate, heard_channels) == (rate, channels)
    assert len(heard) == pytest.approx(len(sound), abs=1024)
    assert likeness(sound, heard[: len(sound)]) > 0.8


@pytest.mark.parametrize(("rate", "bit_rate"), [(16000, 48), (24000, 48), (48000, 96)])
def test_the_rate_asked_for_is_used(rate: int, bit_rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, rate * 20).astype(np.float32)
    data = encoded(noise, rate, 1, bit_rate)
    assert 0.85 * bit_rate < kilobits(data, 20) <= bit_rate
    heard, _, _ = decode_file(data)
    assert len(heard) == len(noise)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_default_is_within_the_documents_ranges(channels: int) -> None:
    for rate, (least, most) in BIT_RATES["OGG", channels].items():
        audio = AudioFormat("vorbis", "ogg", rate, channels)
        assert least * 1000 <= vorbis.bit_rate_of(audio) <= most * 1000
    assert kilobits(encoded(speech_like(24000, 2), 24000, channels), 2) <= 24 * (1 + channels)


def test_sound_that_is_loud_where_it_is_not_tried_keeps_to_the_rate() -> None:
    rate, seconds = 8000, 60
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, rate * seconds).astype(np.float32)
    gap = (seconds - vorbis.PROBE_S) / (vorbis.PROBES - 1)
    for number in range(vorbis.PROBES):
        sound[round(number * gap * rate) :][: vorbis.PROBE_S * rate] = 0
    assert kilobits(encoded(sound, rate, 1, 16), seconds) <= 16


@pytest.mark.parametrize("samples", [0, 1, 100, 5000])
def test_sound_may_be_short_or_none(samples: int) -> None:
    heard, rate, channels = decode_file(encoded(speech_like(24000, 1)[:samples], 24000, 2, 32))
    assert (rate, channels) == (24000, 2)
    assert len(heard) == pytest.approx(samples, abs=1024)


def test_silence_is_silence() -> None:
    heard, _, _ = decode_file(encoded(np.zeros(48000, np.float32), 48000))
    assert not heard.any()


def test_a_disk_without_room_is_told() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        vorbis.encode(
            pcm(speech_like(24000, 1)), AudioFormat("vorbis", "ogg", 24000), Full(), nothing
        )


def test_it_can_be_given_up() -> None:
    asked: list[None] = []

    def between() -> None:
        asked.append(None)
        if len(asked) == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        vorbis.encode(
            pcm(speech_like(24000, 2)), AudioFormat("vorbis", "ogg", 24000), io.BytesIO(), between
        )
    assert len(asked) == 3


def test_without_the_package_it_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(NotAvailable):
        encoded(speech_like(24000, 1), 24000)
