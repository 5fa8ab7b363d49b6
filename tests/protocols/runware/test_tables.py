"""The ranges of bit rates, as the document lists them."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from streamer.audio.formats import CODECS, resolve
from streamer.errors import InvalidParameter
from streamer.protocols.runware.tables import BIT_RATES, AudioSettings, audio_of

DOCUMENT = """
MP3 1,2
8,000 Hz 8 kbps 64 kbps 11,025 Hz 8 kbps 64 kbps 12,000 Hz 8 kbps 64 kbps 16,000 Hz 8 kbps 160 kbps
22,050 Hz 8 kbps 160 kbps 24,000 Hz 8 kbps 160 kbps 32,000 Hz 32 kbps 320 kbps
44,100 Hz 32 kbps 320 kbps 48,000 Hz 32 kbps 320 kbps
OGG 1
8,000 Hz 8 kbps 40 kbps 12,000 Hz 16 kbps 48 kbps 16,000 Hz 16 kbps 96 kbps 24,000 Hz 16 kbps 80 kbps
48,000 Hz 32 kbps 224 kbps
OGG 2
8,000 Hz 16 kbps 80 kbps 12,000 Hz 16 kbps 96 kbps 16,000 Hz 24 kbps 192 kbps
24,000 Hz 32 kbps 160 kbps 48,000 Hz 48 kbps 256 kbps
"""


def rows() -> list[tuple[Any, int, int, int, int]]:
    """Format, channels, rate, least, most."""
    found, name, channels = [], "", ""
    for line in DOCUMENT.strip().splitlines():
        words = line.replace(",000", "000").replace("11,025", "11025")
        words = words.replace("22,050", "22050").replace("44,100", "44100")
        if line.startswith(("MP3", "OGG")):
            name, channels = line.split()
            continue
        cells = words.split()
        for at in range(0, len(cells), 6):
            rate, _, least, _, most, _ = cells[at : at + 6]
            found += [(name, int(c), int(rate), int(least), int(most)) for c in channels.split(",")]
    return found


def test_the_tables_are_the_documents() -> None:
    ours = {
        (name, channels, rate, least, most)
        for (name, channels), rates in BIT_RATES.items()
        for rate, (least, most) in rates.items()
    }
    assert ours == set(rows())


@pytest.mark.parametrize(("name", "channels", "rate", "least", "most"), rows())
def test_each_range_ends_where_the_document_says(
    name: Any, channels: Literal[1, 2], rate: int, least: int, most: int
) -> None:
    for bitrate in (least, most):
        audio = audio_of(name, AudioSettings(bitrate, channels, rate))
        assert resolve(audio, 24000).bit_rate == bitrate * 1000
    for bitrate in (least - 1, most + 1):
        with pytest.raises(InvalidParameter) as caught:
            audio_of(name, AudioSettings(bitrate, channels, rate))
        assert caught.value.param == "audioSettings.bitrate"


@pytest.mark.parametrize(("name", "channels", "rate", "least", "most"), rows())
def test_the_default_is_within_the_range(
    name: Any, channels: Literal[1, 2], rate: int, least: int, most: int
) -> None:
    audio = resolve(audio_of(name, AudioSettings(None, channels, rate)), 24000)
    assert audio.bit_rate is not None
    assert least * 1000 <= audio.bit_rate <= most * 1000


@pytest.mark.parametrize("name", ["MP3", "OGG"])
def test_a_lossy_result_is_stereo_if_nothing_is_said(name: Any) -> None:
    assert audio_of(name, None).channels == 2
    assert audio_of(name, AudioSettings()).channels == 2
    assert audio_of(name, AudioSettings(channels=1)).channels == 1


@pytest.mark.parametrize("name", ["WAV", "FLAC"])
def test_a_lossless_result_is_as_the_voice_is(name: Any) -> None:
    audio = audio_of(name, None)
    assert (audio.channels, audio.sample_rate, audio.bit_rate) == (1, None, None)
    assert audio.container in CODECS[audio.codec].containers
