from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.stretch import SEARCH_S, Stretch
from streamer.types import Samples
from tests.audio.sounds import CUTTINGS, cuts, joined, speech_like

RATE = 24000
TEMPOS = [0.125, 0.25, 0.5, 0.8, 1.25, 2.0, 3.0, 4.0, 8.0]


def stretched(sound: Samples, tempo: float, sizes: tuple[int, ...] = (480,)) -> Samples:
    stretch = Stretch(RATE, tempo)
    parts = [stretch.push(piece) for piece in cuts(sound, sizes)]
    missing = round(len(sound) / tempo) - sum(map(len, parts))
    assert missing >= 0
    return joined([*parts, stretch.flush(missing)])


@pytest.mark.parametrize("tempo", TEMPOS)
def test_it_is_the_same_however_it_is_cut(tempo: float) -> None:
    sound = speech_like(RATE, 0.7)
    whole = stretched(sound, tempo, (len(sound),))
    for sizes in CUTTINGS.values():
        np.testing.assert_array_equal(stretched(sound, tempo, tuple(sizes)), whole)


@pytest.mark.parametrize("tempo", TEMPOS)
@pytest.mark.parametrize("samples", [0, 1, 100, 1000, 7001])
def test_length_is_exact_and_never_overrun(tempo: float, samples: int) -> None:
    assert len(stretched(speech_like(RATE, 1)[:samples], tempo)) == round(samples / tempo)


@pytest.mark.parametrize("tempo", TEMPOS)
def test_the_level_of_a_steady_voice_is_kept(tempo: float) -> None:
    time = np.arange(RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 110 * n * time) / n for n in range(1, 9)).astype(np.float32)  # type: ignore[union-attr]
    out = stretched(voice, tempo)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(np.mean(voice**2)), rel=0.05)


@pytest.mark.parametrize("tempo", [0.25, 0.5, 0.8, 1.25, 2.0])
def test_the_pitch_of_a_tone_is_kept(tempo: float) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32)
    out = stretched(tone, tempo)
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert np.argmax(spectrum) * RATE / len(out) == pytest.approx(220, abs=2)


@pytest.mark.parametrize("tempo", [0.25, 0.5, 0.8, 1.25, 2.0, 4.0])
def test_every_moment_is_heard_at_its_place(tempo: float) -> None:
    """A rising tone tells of every moment of the output where in the source it was."""
    time = np.arange(3 * RATE) / RATE
    sweep = np.sin(2 * np.pi * (300 * time + 500 * time**2)).astype(np.float32)
    out = stretched(sweep, tempo)
    for moment in (0.5, 1.0, 1.5, 2.0, 2.5):
        middle = round(moment / tempo * RATE)
        part = out[middle - 240 : middle + 240] * np.hanning(480)
        frequency = np.argmax(np.abs(np.fft.rfft(part, 1 << 15))) * RATE / (1 << 15)
        assert (frequency - 300) / 1000 == pytest.approx(moment, abs=SEARCH_S + 0.012)


@pytest.mark.parametrize("tempo", [0.25, 0.5, 2.0, 4.0])
def test_the_tail_is_kept(tempo: float) -> None:
    sound = np.zeros(RATE // 2, np.float32)
    sound[-1200:] = speech_like(RATE, 0.05)
    out = stretched(sound, tempo)
    tail = round(1200 / tempo)
    assert np.sum(out[-tail:] ** 2) * tempo == pytest.approx(np.sum(sound**2), rel=0.5)


def test_silence_stays_silent() -> None:
    assert not stretched(np.zeros(RATE, np.float32), 0.7).any()
