"""Hostile files: a defined result, within a bound of memory. The long ones are in tests/soak."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

import pytest

from streamer.text.captions import Cleaner, CueReader, Dropped
from tests.text.captions.hostile import HEADS, PIECE, endless, many

MOST_BYTES = 2 << 20
"""What a reader may hold: a block of 64 Ki characters, 4 bytes each, some copies of it, and names."""


def read(pieces: Iterable[str]) -> tuple[int, dict[str, int], int]:
    """How many cues are spoken, how many are not and why, and the most that was held in bytes."""
    reader, spoken, dropped = CueReader(), 0, dict[str, int]()
    tracemalloc.start()
    try:
        for piece in pieces:
            for cue in reader.push(piece):
                if isinstance(cue, Dropped):
                    dropped[cue.reason] = dropped.get(cue.reason, 0) + 1
                else:
                    spoken += 1
        spoken += sum(not isinstance(cue, Dropped) for cue in reader.flush())
        return spoken, dropped, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", ["x", "x\n", "<", "♪ \n"])
@pytest.mark.parametrize("head", HEADS)
def test_a_cue_without_an_end_is_dropped_once_and_not_kept(head: str, unit: str) -> None:
    pieces = [
        *endless(HEADS[head], unit, 1 << 18),
        "\n\n2\n00:00:05.000 --> 00:00:06.000\nkept\n\n",
    ]
    spoken, dropped, most = read(pieces)
    assert (spoken, dropped) == (1, {"invalid": 1})
    assert most < MOST_BYTES


def test_comments_of_any_length_are_passed_over() -> None:
    text = "WEBVTT\n\nNOTE " + "x\n" * 100_000 + "\n\n00:01.000 --> 00:02.000\nkept\n\n"
    assert read([text[i : i + PIECE] for i in range(0, len(text), PIECE)])[:2] == (1, {})


def test_what_comes_of_thousands_of_cues_does_not_depend_on_the_cut_nor_stay() -> None:
    spoken, dropped, most = read(many(1500, seed=1))
    assert spoken + sum(dropped.values()) == 1500
    assert 100 < dropped["invalid"] < 200
    assert most < MOST_BYTES
    assert read(["".join(many(1500, seed=1))])[:2] == (spoken, dropped)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "<" + "x" * 60_000,
        "<v" + "x" * 60_000,
        "(" * 60_000,
        "&#" + "9" * 60_000,
        "A" + ": " * 30_000,
    ],
)
def test_no_text_is_dear_to_look_through(text: str) -> None:
    # What takes a time of the second degree takes 10 s; all pairs of this kind are in tests/soak.
    Cleaner(speakers=["A"]).clean("1", 0.0, 1000.0, text)
