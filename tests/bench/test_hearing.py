"""The measuring itself: audibility, clicks and loudness of sounds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.hearing import AUDIBLE, Samples, first_over, largest_step, loudness, steps_at_joins

RATE = 24000


def sine(amplitude: float, hertz: float = 997.0, seconds: float = 3.0) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_the_first_audible_sample_is_the_first_over_the_threshold() -> None:
    sound = np.zeros(1000, np.float32)
    sound[100] = AUDIBLE * 0.9
    sound[600] = -AUDIBLE * 1.1
    assert first_over(sound) == 600
    assert first_over(sound[:600]) is None


def test_a_step_at_a_join_is_told_from_steps_inside() -> None:
    sound = sine(0.1)
    sound[24000:] += 0.2
    at, inside = steps_at_joins(sound, [24000], 100)
    assert at == pytest.approx(0.2, abs=0.05)
    assert inside == pytest.approx(largest_step(sine(0.1)), rel=0.01)
    assert steps_at_joins(sound, [48000], 100)[0] < 0.1


def test_loudness_of_the_reference_tone_is_its_level() -> None:
    """EBU Tech 3341, case 1, in mono: a 1 kHz sine of -23 dBFS peak in both channels is -23 LUFS; in
    one channel it is 3 dB less."""
    assert loudness([sine(10 ** (-20 / 20), 1000.0)], RATE) == pytest.approx(-23.0, abs=0.2)
