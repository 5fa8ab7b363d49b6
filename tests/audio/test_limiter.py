from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.limiter import KNEE, Limiter
from streamer.types import Samples
from tests.audio.sounds import CUTTINGS, cuts, speech_like

RATE = 24000


def overtones_db(sound: Samples, frequency: float) -> float:
    """Level of everything well above a tone, relative to the tone."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    bins = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(10 * np.log10(power[bins > 1.6 * frequency].sum() / power.max()))


@pytest.mark.parametrize("volume", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("peak", [0.5, 1.0, 10.0, 1e9])
def test_it_never_passes_one(volume: float, peak: float) -> None:
    sound = speech_like(RATE, 2.5) * np.float32(2 * peak)
    limited = Limiter(RATE, volume).push(sound)
    assert np.abs(limited).max() <= 1
    assert len(limited) == len(sound)


def test_quiet_sound_is_only_made_louder() -> None:
    sound = speech_like(RATE, 1) * np.float32(KNEE)
    np.testing.assert_array_equal(Limiter(RATE, 2).push(sound), sound * np.float32(2))


def test_quiet_sound_before_and_after_a_peak_is_only_made_louder() -> None:
    sound = speech_like(RATE, 6) * np.float32(0.1)
    loud = sound.copy()
    loud[RATE : RATE + 2400] *= 20
    limited = Limiter(RATE, 2).push(loud)
    np.testing.assert_array_equal(limited[:RATE], sound[:RATE] * np.float32(2))
    np.testing.assert_array_equal(limited[-RATE:], sound[-RATE:] * np.float32(2))


def test_it_distorts_far_less_than_clipping() -> None:
    time = np.arange(2 * RATE) / RATE
    tone = (0.9 * np.sin(2 * np.pi * 150 * time)).astype(np.float32)
    limited = Limiter(RATE, 2).push(tone)[RATE // 2 :]
    clipped = np.clip(2 * tone, -1, 1)[RATE // 2 :]
    assert overtones_db(limited, 150) < -40
    assert overtones_db(clipped, 150) > -20


def test_it_is_the_same_however_it_is_cut() -> None:
    sound = speech_like(RATE, 2.2) * np.float32(1.9)
    whole = Limiter(RATE, 2).push(sound)
    for sizes in CUTTINGS.values():
        limiter = Limiter(RATE, 2)
        parts = [limiter.push(piece) for piece in cuts(sound, sizes)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
