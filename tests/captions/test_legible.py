"""Captions of a file are shown for long enough, and never over the next."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamer.captions.captioner import LONGEST_S
from streamer.captions.legible import Legible
from streamer.types import Caption, Word

RATE = 1000


def caption(text: str, start: int, end: int, cue: str | None = None) -> Caption:
    return Caption("c", 0, text, start, end, (Word(text, start, end, 0),), cue)


def shown(*captions: Caption) -> list[Caption]:
    legible = Legible(RATE)
    return [c for one in captions for c in legible.push(one)] + legible.flush()


def test_a_short_caption_stays_for_a_second() -> None:
    (one,) = shown(caption("Yes.", 100, 400))
    assert (one.start, one.end) == (100, 1100)


def test_a_caption_ends_where_the_next_begins_if_that_is_near() -> None:
    one, two = shown(caption("A long one, that is.", 0, 2000), caption("Another one.", 2300, 4000))
    assert (one.end, two.start, two.end) == (2300, 2300, 4500)


def test_short_sentences_share_a_caption() -> None:
    (one,) = shown(caption("Yes.", 0, 300), caption("I do.", 600, 1000))
    assert (one.text, one.start, one.end, len(one.words)) == ("Yes. I do.", 0, 1500, 2)
    long = "And this here is quite a long sentence."
    (two,) = shown(caption("Yes.", 0, 300), caption(long, 600, 3000))
    assert two.text == f"Yes.\n{long}"
    (three,) = shown(caption("是。", 0, 300), caption("我知道。", 600, 1000))
    assert three.text == "是。我知道。"


def test_captions_of_two_cues_stay_apart() -> None:
    one, two = shown(caption("Yes.", 0, 300, "a"), caption("No.", 600, 900, "b"))
    assert (one.end, two.end) == (600, 1600)


def test_captions_that_sound_at_once_keep_their_times() -> None:
    one, two = shown(caption("One thing.", 0, 3000, "a"), caption("Another.", 1000, 2500, "b"))
    assert (one.end, two.end) == (3000, 3000)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 8000)), max_size=12))
def test_nothing_is_lost_and_nothing_overlaps(spans: list[tuple[int, int]]) -> None:
    captions, at = [], 0
    for gap, length in spans:
        captions.append(caption("A line.", at + gap, at + gap + length))
        at += gap + length
    found = shown(*captions)
    assert [w for c in found for w in c.words] == [w for c in captions for w in c.words]
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert [c.index for c in found] == list(range(len(found)))
    for c in found:
        assert c.start == c.words[0].start
        assert c.words[-1].end <= c.end <= max(c.words[-1].end, c.start + LONGEST_S * RATE)
