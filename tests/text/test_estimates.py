"""Words told while their sound still comes: once each, in order, never taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.text.alignment import SYLLABLE_S, client_words, estimate
from streamer.text.estimates import Estimate, Tempo
from streamer.types import Word

RATE = 24000
TEXT = "Please remember to bring your passport, two photographs and a pen."
texts = st.text(alphabet="abc AB1.,! 今\n", max_size=60)
cuts = st.lists(st.integers(0, 20_000), max_size=20)


def placed(words: list[Word], text: str, total: int) -> None:
    """All of the text's words, each behind the one before it, within the sound."""
    assert [(word.offset, word.text) for word in words] == client_words(text)
    at = 0
    for word in words:
        assert at <= word.start <= word.end
        at = word.end
    assert at <= total


@given(texts, cuts)
def test_with_the_length_known_they_are_those_of_the_whole_and_come_with_their_sound(
    text: str, chunks: list[int]
) -> None:
    total, taken = sum(chunks), 0
    guess = Estimate(text, RATE, Tempo())
    words: list[Word] = []
    for samples in chunks:
        told = guess.push(taken + samples, total)
        assert all(word.start < taken + samples for word in told)
        assert all(word.start >= taken for word in told)
        words += told
        taken += samples
    words += guess.flush(total)
    assert tuple(words) == estimate(text, total)


@given(texts, cuts, cuts)
def test_with_the_length_known_late_or_never_they_still_are_all_and_in_order(
    text: str, unknown: list[int], known: list[int]
) -> None:
    guess, taken = Estimate(text, RATE, Tempo()), 0
    words: list[Word] = []
    total = sum(unknown) + sum(known)
    for number, samples in enumerate((*unknown, *known)):
        taken += samples
        told = guess.push(taken, None if number < len(unknown) else total)
        assert all(word.start <= taken for word in told)
        words += told
    words += guess.flush(total)
    placed(words, text, total)
    assert words[-1:] == [] or words[-1].end == total or not total


@given(texts, cuts)
def test_what_was_not_told_can_be_guessed_behind_what_was(text: str, chunks: list[int]) -> None:
    guess, taken = Estimate(text, RATE, Tempo()), 0
    words: list[Word] = []
    for samples in chunks:
        taken += samples
        words += guess.push(taken)
    words += guess.guess(taken)
    placed(words, text, words[-1].end if words else 0)
    assert not words or words[-1].end >= max(taken, 0.17 * RATE)
    assert guess.guess(taken) == guess.flush(taken) == ()


def test_a_word_is_told_a_while_behind_its_end_where_the_length_is_unknown() -> None:
    guess, told = Estimate(TEXT, RATE, Tempo()), 0
    for taken in range(0, 3 * RATE, RATE // 50):
        for word in guess.push(taken):
            told += 1
            assert word.end <= taken - RATE // 4
    assert told > len(client_words(TEXT)) // 2


@pytest.mark.parametrize("syllable_s", [0.13, 0.18, 0.25])
def test_a_voice_that_has_been_heard_is_guessed_better(syllable_s: float) -> None:
    tempo = Tempo()
    syllables = Estimate(TEXT, RATE, tempo).syllables
    total = round(syllables * syllable_s * RATE)

    def wrong() -> float:
        """By how much, at most; seconds."""
        guess = Estimate(TEXT, RATE, tempo)
        words: list[Word] = []
        for taken in range(0, total, RATE // 50):
            words += guess.push(taken)
        words += guess.flush(total)
        right = estimate(TEXT, total)
        off = max(abs(a.start - b.start) for a, b in zip(words, right, strict=True))
        return off / RATE

    before = wrong()
    for _ in range(5):
        tempo.heard(total / RATE, syllables)
    assert wrong() < 0.35
    assert wrong() <= max(before, 0.1)


def test_an_unheard_voice_speaks_as_most_do() -> None:
    assert Tempo().syllable_s == pytest.approx(SYLLABLE_S)


@given(texts, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20_000)), max_size=10))
def test_words_of_a_text_that_grows_are_told_once_and_in_order(
    text: str, steps: list[tuple[int, int]]
) -> None:
    spaces = [at for at, character in enumerate(text) if character == " "] + [len(text)]
    guess, known, taken = Estimate("", RATE, Tempo()), "", 0
    words: list[Word] = []
    for share, samples in steps:
        grown = text[: spaces[min(share, len(spaces) - 1)]]
        known = max(known, grown, key=len)
        guess.grow(known)
        taken += samples
        told = guess.push(taken)
        assert all(word.end <= taken for word in told)
        words += told
    guess.grow(text)
    words += guess.flush(taken)
    placed(words, text, taken)
