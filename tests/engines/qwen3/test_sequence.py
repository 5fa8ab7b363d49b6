"""Which segments share a sequence, and how its sound is shared out among them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.engines.qwen3.borders import Piece
from streamer.engines.qwen3.sequence import MOST, Cutter, Sequence, joint, same, wide
from streamer.types import Options, PcmChunk, Segment, Voice

OPTIONS = Options(Voice("ryan", "qwen3"))


class Letters:
    """An id for each letter, the last one of which may still change."""

    def __init__(self) -> None:
        self.held = ""

    def push(self, text: str) -> list[int]:
        text, self.held = (self.held + text)[:-1], (self.held + text)[-1:]
        return [ord(letter) for letter in text]

    def flush(self) -> list[int]:
        text, self.held = self.held, ""
        return [ord(letter) for letter in text]


def sequence(*texts: str) -> Sequence:
    made = Sequence(Letters(), OPTIONS)
    for index, text in enumerate(texts):
        made.add(segment(text, index))
    return made


def segment(text: str, index: int = 0, *, more: bool = False) -> Segment:
    return Segment(index, text, 0, OPTIONS, more)


def said(made: Sequence) -> str:
    made.end()
    return "".join(map(chr, made.ids))


def test_texts_are_joined_by_a_space_where_sentences_are() -> None:
    assert said(sequence("One.", "Two.", " Three.", "Four.\n", "Five.")) == (
        "One. Two. Three. Four.\nFive."
    )
    assert said(sequence("你好。", "世界。")) == "你好。世界。"
    assert said(sequence("안녕하세요.", "반갑습니다.")) == "안녕하세요. 반갑습니다."
    assert joint("", "a") == joint("a", "") == ""
    assert [wide(letter) for letter in "a世。ー가！"] == [False, True, True, True, False, True]


@given(st.text("ab .", max_size=40), st.lists(st.integers(1, 40), max_size=5))
def test_ids_of_pieces_are_those_of_the_whole(text: str, cuts: list[int]) -> None:
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    made = sequence("Before.")
    for number, piece in enumerate(pieces, 1):
        assert made.takes(segment(piece, 1, more=True))
        made.add(segment(piece, 1, more=number < len(pieces)))
    assert said(made) == said(sequence("Before.", text))
    assert made.members[1].segment == segment(text, 1)


def test_it_takes_segments_of_equal_options_until_it_is_long() -> None:
    made = sequence("One.")
    assert made.takes(segment("Two.", 1))
    for change in ({"seed": 1}, {"language": "de"}, {"instructions": "calm"}, {"voice": VOICE}):
        assert not made.takes(replace(segment("Two.", 1), options=replace(OPTIONS, **change)))
    assert not made.takes(segment("x" * MOST, 1))
    made.add(segment("x" * (MOST - 5), 1, more=True))
    assert not made.full
    assert made.takes(segment("y", 1))
    assert not made.takes(segment("y", 2))
    made.add(segment("y", 1))
    assert made.full
    assert not made.takes(segment("z", 2))


VOICE = Voice("ryan", "qwen3", data={"x_vector": np.zeros(3)})


def test_what_a_voice_is_made_of_is_the_same_if_it_is_the_same_thing() -> None:
    one = replace(OPTIONS, voice=VOICE)
    assert same(one, replace(one))
    assert not same(one, replace(one, voice=replace(VOICE, data={"x_vector": np.zeros(3)})))


def test_wide_letters_count_as_three() -> None:
    assert not sequence("世" * (MOST // 3 - 1)).full
    assert sequence("世" * (MOST // 3)).full


def test_after_its_end_it_takes_nothing() -> None:
    made = sequence("One.")
    made.end()
    assert made.full
    assert not made.takes(segment("Two.", 1))
    assert made.rows == len("One.") + 1


@dataclass
class Given:
    """An aligner that ends segments after so many samples each, once there is enough of the next."""

    lengths: list[int]
    added: int = 0
    waiting: list[int] = field(default_factory=list)
    at: int = 0
    taken: int = 0

    def add(self, text: str) -> None:
        pass

    def close(self) -> None:
        self.added += 1

    def push(self, samples: np.ndarray) -> list[Piece]:
        pieces = []
        while self.at + 1 < self.added and self.taken + len(samples) >= self.lengths[self.at] + 480:
            cut = max(0, self.lengths[self.at] - self.taken)
            pieces.append(Piece(self.at, samples[:cut], True))
            samples, self.taken, self.at = samples[cut:], 0, self.at + 1
        self.taken += len(samples)
        return [*pieces, Piece(self.at, samples)] if len(samples) else pieces

    def flush(self, whole: bool = True) -> list[Piece]:
        return [Piece(n, np.zeros(0, np.float32), True) for n in range(self.at, self.added)]


def cut(
    texts: int, lengths: list[int], sizes: list[int], heard: int | None = None
) -> tuple[list[PcmChunk], list[Segment]]:
    made = Sequence(Letters(), OPTIONS)
    cutter = Cutter(made, Given(lengths))
    for index in range(texts):
        made.add(segment(f"Text {index}.", index))
        cutter.add(segment(f"Text {index}.", index))
    chunks, at = [], 0
    for size in sizes:
        chunks += cutter.push(np.arange(at, at + size, dtype=np.float32))
        at += size
    rest, again = cutter.end(heard)
    return chunks + rest, again


@settings(deadline=None)
@given(
    st.lists(st.integers(200, 3000), min_size=1, max_size=6),
    st.lists(st.integers(1, 2500), min_size=1, max_size=8),
)
def test_no_sample_is_lost_and_each_segment_has_some(lengths: list[int], sizes: list[int]) -> None:
    sizes = [*sizes, 400]
    chunks, again = cut(len(lengths), lengths, sizes)
    assert np.array_equal(np.concatenate([c.samples for c in chunks]), np.arange(sum(sizes)))
    assert not again
    order = [chunk.segment for chunk in chunks]
    assert order == sorted(order)
    for index in range(len(lengths)):
        own = [chunk for chunk in chunks if chunk.segment == index]
        assert [chunk.last for chunk in own] == [False] * (len(own) - 1) + [True]
        assert [chunk.joins for chunk in own] == [index > 0] + [False] * (len(own) - 1)
        assert sum(len(chunk.samples) for chunk in own) > 0
        assert not any(chunk.lost for chunk in own)


def test_what_was_not_heard_is_said_again_and_what_was_being_said_is_lost() -> None:
    row = len("Text 0. Text 1.") - 1  # the last letter waits for what follows
    chunks, again = cut(4, [1000] * 4, [900], heard=row)
    assert [s.index for s in again] == [2, 3]
    assert [(c.segment, c.lost) for c in chunks if c.last] == [(0, True), (1, True)]
    chunks, again = cut(4, [1000] * 4, [1600], heard=3)
    assert [s.index for s in again] == [2, 3]
    assert [(c.segment, c.lost) for c in chunks if c.last] == [(0, False), (1, True)]


def test_segment_that_was_left_open_comes_again_open() -> None:
    made = Sequence(Letters(), OPTIONS)
    cutter = Cutter(made, Given([1000, 1000]))
    for piece in (segment("One.", 0), segment("Tw", 1, more=True)):
        made.add(piece)
        cutter.add(piece)
    cutter.push(np.zeros(500, np.float32))
    _, again = cutter.end(3)
    assert again == [segment("Tw", 1, more=True)]
    assert made.between


@pytest.mark.parametrize("text", ["a", "世"])
def test_expected_length_grows_with_the_text(text: str) -> None:
    made = sequence(text)
    before = made.expected_s
    made.add(segment("and more of it", 1))
    assert made.expected_s > before > 0
