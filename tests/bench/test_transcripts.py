"""Spelling is no word error, a wrong word is one."""

from __future__ import annotations

import pytest

from bench.transcripts import bare_words, plain_words, same_words, word_errors


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        (
            "A total of $1,234.50, due on March 5th.",
            "A total of $1,234 and 50 cents due on March 5.",
        ),
        ("It leaves at 7:30 p.m. from platform 12.", "it leaves at 7.30 pm from platform twelve"),
        ("Version 2.5 came in 1998.", "Version two point five came in nineteen ninety-eight"),
        ("By Dr. Smith.", "by doctor Smith"),
        ("It isn't far.", "It isn’t far"),
    ],
)
def test_words_that_sound_the_same_are_no_errors(written: str, heard: str) -> None:
    assert word_errors(plain_words(written), plain_words(heard)) == 0


@pytest.mark.parametrize(
    ("heard", "errors"),
    [("the cat sat", 0), ("the cat", 1), ("the big cat sat", 1), ("a dog ran", 3), ("", 3)],
)
def test_lost_added_and_wrong_words_are_errors(heard: str, errors: int) -> None:
    assert word_errors(["the", "cat", "sat"], bare_words(heard)) == errors


def test_a_thousand_is_no_year() -> None:
    assert plain_words("1,234") == ["one", "thousand", "two", "hundred", "thirty", "four"]
    assert plain_words("1998") == ["nineteen", "ninety", "eight"]


def test_pairs_are_the_words_that_were_understood() -> None:
    pairs = same_words(["Hello,", "dear", "friends"], ["hello", "deer", "Friends."])
    assert pairs == [(0, 0), (2, 2)]
