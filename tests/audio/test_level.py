from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.level import loudness, trim
from streamer.types import Samples

RATE = 24000


def tone(level_db: float, seconds: float, rate: int = RATE) -> Samples:
    time = np.arange(round(rate * seconds)) / rate
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("level", [0, -20, -40])
def test_loudness_of_the_reference_tone_is_its_level_less_3(rate: int, level: float) -> None:
    """ITU-R BS.1770-4 annex 1: 997 Hz at 0 dBFS in one channel is -3.01 LKFS."""
    assert loudness(tone(level, 2, rate), rate) == pytest.approx(level - 3.01, abs=0.1)


def test_pauses_are_gated_out() -> None:
    speech, pause = tone(-20, 2), np.zeros(4 * RATE, np.float32)
    sound = np.concatenate((speech, pause, speech))
    assert loudness(sound, RATE) == pytest.approx(-23, abs=0.5)


def test_short_sound_is_as_loud_as_when_repeated() -> None:
    assert loudness(tone(-20, 0.1), RATE) == pytest.approx(-23, abs=0.3)


@pytest.mark.parametrize("samples", [0, 1, 100, RATE])
def test_silence_is_infinitely_quiet(samples: int) -> None:
    assert loudness(np.zeros(samples, np.float32), RATE) == -np.inf


def test_trim_keeps_a_little_around_what_is_loud() -> None:
    sound = np.zeros(RATE, np.float32)
    sound[5000], sound[9000] = 0.1, -0.1
    assert trim(sound, RATE) == (5000 - 240, 9001 + 240)
    assert trim(sound, RATE, keep_ms=0) == (5000, 9001)
    assert trim(sound, RATE, keep_ms=1000) == (0, RATE)


def test_trim_goes_by_the_threshold() -> None:
    sound = np.full(1000, 10 ** (-52 / 20), np.float32)
    assert trim(sound, RATE) == (0, 0)
    assert trim(sound, RATE, threshold_db=-54) == (0, 1000)


def test_trim_of_nothing_keeps_nothing() -> None:
    assert trim(np.zeros(0, np.float32), RATE) == (0, 0)
    assert trim(np.zeros(10, np.float32), RATE) == (0, 0)
