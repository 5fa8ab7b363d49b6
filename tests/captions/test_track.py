"""Sound at its place, however it is read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.captions.track import Stretched, Track
from streamer.types import Samples

RATE = 24000


def noise(length: int, seed: int = 0, level: float = 0.2) -> Samples:
    return (level * np.random.default_rng(seed).uniform(-1, 1, length)).astype(np.float32)


def read(track: Track, length: int, cuts: list[int]) -> Samples:
    parts: list[Samples] = []
    while track.position < length:
        cut = cuts[len(parts) % len(cuts)]
        parts.append(track.read(min(cut, length - track.position)))
    return np.concatenate(parts)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 4000)), min_size=1, max_size=4),
    st.lists(st.integers(1, 2000), min_size=1, max_size=4),
    st.booleans(),
)
def test_it_is_the_same_however_it_is_read(
    places: list[tuple[int, int]], cuts: list[int], mixed: bool
) -> None:
    def placed() -> Track:
        track = Track(RATE, mixed=mixed)
        for seed, (at, length) in enumerate(places):
            track.place(at, noise(length, seed, 0.6), stretch=1 + seed / 10)
        return track

    whole = placed().read(8000)
    assert np.array_equal(read(placed(), 8000, cuts), whole)


def test_silence_lies_before_between_and_behind() -> None:
    track = Track(RATE, mixed=False)
    track.place(100, np.ones(50, np.float32))
    track.place(200, np.ones(50, np.float32))
    assert track.end == 250
    sound = track.read(300)
    assert np.flatnonzero(sound).tolist() == [*range(100, 150), *range(200, 250)]
    assert track.end == 300
    assert not track.placed


def test_a_sum_is_limited_and_what_is_not_loud_is_as_it_was() -> None:
    track = Track(RATE, mixed=True)
    soft, loud = noise(RATE, 1, 0.3), noise(RATE, 2, 0.9)
    track.place(0, soft)
    track.place(RATE, loud)
    track.place(RATE, loud)
    sound = track.read(2 * RATE)
    assert np.array_equal(sound[:RATE], soft)
    assert 0.8 < np.abs(sound[RATE:]).max() <= 1


def test_nothing_is_placed_where_it_was_read() -> None:
    track = Track(RATE, mixed=False)
    track.read(10)
    with pytest.raises(ValueError, match="read up to 10"):
        track.place(9, noise(5))


@pytest.mark.parametrize("length", [1, 700, 24000, 31234])
@pytest.mark.parametrize("by", [1.0, 1.003, 1.2, 1.35, 2.0])
def test_what_is_stretched_has_the_length_it_says(length: int, by: float) -> None:
    sound = Stretched(noise(length), by, RATE)
    parts = [sound.read(441) for _ in range(length // 441 + 2)]
    assert sum(map(len, parts)) == sound.length == round(length * (1 / by))
