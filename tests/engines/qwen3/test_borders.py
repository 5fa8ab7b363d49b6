from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.engines.qwen3.borders import LATEST, Pauses, Piece, Tempo
from streamer.text.alignment import expected_seconds

RATE = 24000
FIRST = "The quick brown fox jumps over the lazy dog."
SECOND = "Then it sleeps for a very long time in the sun."


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def fed(borders: Pauses, sound: np.ndarray, step: int) -> list[Piece]:
    pieces = []
    for at in range(0, len(sound), step):
        pieces += borders.push(sound[at : at + step])
    return pieces + borders.flush()


def lengths(pieces: list[Piece]) -> list[float]:
    samples = [0] * (1 + max(piece.segment for piece in pieces))
    for piece in pieces:
        samples[piece.segment] += len(piece.samples)
    return [length / RATE for length in samples]


def two(tempo: Tempo | None = None) -> Pauses:
    borders = Pauses(RATE, tempo)
    for text in (FIRST, SECOND):
        borders.add(text)
        borders.close()
    return borders


def test_a_pause_where_a_sentence_should_end_is_its_end() -> None:
    first = expected_seconds(FIRST) * 0.9
    sound = np.concatenate([noise(first), silence(0.3), noise(2.0)])
    pieces = fed(two(), sound, 1920)
    assert lengths(pieces) == pytest.approx([first + 0.3, 2.0], abs=0.04)
    assert [piece.segment for piece in pieces if piece.last] == [0, 1]


def test_a_pause_too_early_and_a_short_silence_end_nothing() -> None:
    early, first = 0.3 * expected_seconds(FIRST), expected_seconds(FIRST)
    before = [noise(early), silence(0.3), noise(0.2 * first), silence(0.06), noise(0.4 * first)]
    sound = np.concatenate([*before, silence(0.3), noise(1.0)])
    assert lengths(fed(two(), sound, 960))[1] == pytest.approx(1.0, abs=0.04)


def test_sound_without_a_pause_is_cut_by_length() -> None:
    pieces = fed(two(), noise(8.0), 1920)
    assert lengths(pieces)[0] == pytest.approx(LATEST * expected_seconds(FIRST), abs=0.04)


def test_segments_that_never_began_end_without_a_sample() -> None:
    pieces = fed(two(), noise(0.5), 1920)
    assert [(piece.segment, piece.last) for piece in pieces][-2:] == [(0, True), (1, True)]
    assert len(pieces[-1].samples) == 0


def test_a_tempo_is_learnt_from_whole_sequences() -> None:
    tempo = Tempo()
    for _ in range(30):
        fed(two(tempo), noise(2 * expected_seconds(FIRST + SECOND)), 1920)
    assert tempo.factor == pytest.approx(2.0, abs=0.1)


def test_no_tempo_is_learnt_from_what_was_cut_off() -> None:
    tempo = Tempo()
    borders = two(tempo)
    borders.push(noise(1.0))
    borders.flush(whole=False)
    assert tempo.factor == 1.0


def test_text_may_come_while_it_is_spoken() -> None:
    whole, pieces = Pauses(RATE), Pauses(RATE)
    whole.add(FIRST)
    pieces.add(FIRST[:10])
    head = pieces.push(noise(0.2))
    pieces.add(FIRST[10:])
    pieces.close()
    pieces.add(SECOND)
    assert head[0].segment == 0
    assert not head[0].last
    rest = fed(pieces, noise(8.0)[round(0.2 * RATE) :], 1920)
    assert [piece.segment for piece in rest if piece.last] == [0, 1]


def test_sound_of_no_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="no segment"):
        Pauses(RATE).push(noise(0.1))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.05, 1.0)), min_size=1, max_size=12),
    st.integers(1, 5000),
)
def test_nothing_is_lost_and_borders_do_not_depend_on_how_the_sound_is_cut(
    parts: list[tuple[bool, float]], step: int
) -> None:
    sound = np.concatenate([noise(s) if loud else silence(s) for loud, s in parts])
    pieces, whole = fed(two(), sound, step), fed(two(), sound, len(sound))
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), sound)
    assert lengths(pieces) == lengths(whole)
    assert [piece.segment for piece in pieces if piece.last] == [0, 1]
