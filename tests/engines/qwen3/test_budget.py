"""How long a sequence may be, and how one is known that goes round in circles or has fallen silent."""

from __future__ import annotations

import random

import numpy as np
import pytest

from streamer.engines.qwen3.budget import SAMPLES, Budget, Loop, Outcome, Silence, another


def test_short_texts_have_six_seconds_and_long_ones_six_frames_a_token() -> None:
    budget = Budget()
    assert [budget.frames(tokens) for tokens in (0, 1, 12, 13, 100)] == [75, 75, 75, 78, 600]
    assert budget.most(100) == 700


@pytest.mark.parametrize("period", [1, 2, 5, 12])
def test_codes_that_go_round_are_a_loop_after_2400_ms(period: int) -> None:
    loop = Loop()
    chance = random.Random(1)
    assert not any(loop.push(chance.randrange(2048)) for _ in range(50))
    circle = chance.sample(range(2048), period)
    told = [loop.push(circle[n % period]) for n in range(80)]
    assert told.index(True) == pytest.approx(30 + period, abs=1)
    assert all(told[told.index(True) :])


def test_speech_and_pauses_are_no_loop() -> None:
    loop, chance = Loop(), random.Random(2)
    for _ in range(40):
        told = [loop.push(chance.randrange(400)) for _ in range(10)]
        pause = chance.randrange(2048)
        assert not any(told + [loop.push(pause) for _ in range(12)])


def test_sound_that_died_away_is_silence_after_two_seconds() -> None:
    silence, chance = Silence(), np.random.default_rng(0)
    noise = chance.normal(0, 0.2, SAMPLES * 4).astype(np.float32)
    assert not silence.push(noise)
    assert not silence.push(np.tile(noise * 0.004, 6))
    assert silence.push(noise[:SAMPLES] * 0.004)
    assert not silence.push(noise * 0.1)
    assert not Silence().push(np.zeros(0, np.float32))


def test_sequence_came_out_well_if_all_was_heard_and_it_ended_by_itself_not_too_early() -> None:
    good = Outcome("stop", 40, 12, 12, 3.0)
    assert good.good
    late = Outcome("length", 200, 12, 12, 3.0)
    assert late.whole
    assert not late.good
    assert not Outcome("stop", 10, 12, 12, 3.0).whole
    assert not Outcome("repeated", 40, 11, 12, 3.0).whole
    assert max([late, good, Outcome("stop", 3, 4, 12, 3.0)], key=lambda o: o.rank) is good


def test_second_tries_have_a_seed_that_no_request_has() -> None:
    assert another(7) != another(8)
    assert another(7) >= 1 << 64
