from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.formats import RATES
from streamer.audio.resampler import ResampledChunks, Resampler
from streamer.types import PcmChunk
from tests.audio.sounds import CUTTINGS, cuts

PAIRS = [(source, rate) for source in (16000, 22050, 24000, 48000) for rate in RATES]


def tone(rate: int, samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * 440 * np.arange(samples) / rate).astype(np.float32)


@pytest.mark.parametrize(("source", "rate"), PAIRS)
def test_a_tone_keeps_its_place_its_level_and_its_length(source: int, rate: int) -> None:
    resampler = Resampler(source, rate)
    sound = np.concatenate((resampler.push(tone(source, 5001)), resampler.flush()))
    assert len(sound) == resampler.total == -(-5001 * rate // source)
    error = sound - tone(rate, len(sound))
    assert np.abs(error[rate // 100 : -rate // 100]).max() < 2e-3


@pytest.mark.parametrize(("source", "rate"), PAIRS)
def test_it_is_the_same_however_it_is_cut(source: int, rate: int) -> None:
    sound = np.random.default_rng(1).standard_normal(3000).astype(np.float32)
    whole = Resampler(source, rate)
    expected = np.concatenate((whole.push(sound), whole.flush()))
    for sizes in CUTTINGS.values():
        cut = Resampler(source, rate)
        parts = [cut.push(piece) for piece in cuts(sound, sizes)]
        np.testing.assert_array_equal(np.concatenate((*parts, cut.flush())), expected)


@pytest.mark.parametrize(("source", "rate"), PAIRS)
@pytest.mark.parametrize("samples", [0, 1, 2, 5, 31, 100])
def test_the_shortest_sounds_have_their_length(source: int, rate: int, samples: int) -> None:
    resampler = Resampler(source, rate)
    ready = resampler.push(np.ones(samples, np.float32))
    assert len(ready) + len(resampler.flush()) == -(-samples * rate // source)


@pytest.mark.parametrize(("source", "rate"), PAIRS)
@pytest.mark.parametrize("total", [1, 2, 10, 100, 481, 3000])
def test_what_is_needed_is_enough_and_hardly_more(source: int, rate: int, total: int) -> None:
    resampler = Resampler(source, rate)
    given, early = 0, None
    needed = resampler.needed(total)
    for taken in range(1, needed + 1):
        given += len(resampler.push(np.zeros(1, np.float32)))
        if given >= total and early is None:
            early = taken
    assert early is not None
    assert needed - early <= 2 * max(1, source / rate) + 1


def test_equal_rates_pass_through() -> None:
    resampler = Resampler(24000, 24000)
    sound = np.ones(5, np.float32)
    assert resampler.push(sound) is sound
    assert len(resampler.flush()) == 0
    assert resampler.held == 0


@pytest.mark.parametrize("wanted", [16000, 24000, 44100])
def test_chunks_know_their_length_at_the_other_rate(wanted: int) -> None:
    resampled = ResampledChunks(24000, wanted)
    parts = [tone(24000, size) for size in (1, 777, 2000)]
    chunks = [
        resampled(PcmChunk(part, 0, last=number == 2, total=2778))
        for number, part in enumerate(parts)
    ]
    assert {chunk.total for chunk in chunks} == {sum(len(chunk.samples) for chunk in chunks)}
