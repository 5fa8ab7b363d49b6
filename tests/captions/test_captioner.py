"""Captions of what is spoken: their text, their times, where they are cut."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.captions.captioner import LONGEST_S, Captioner
from streamer.captions.layout import LINE, LINES, lines, width
from streamer.text.alignment import client_words, estimate
from streamer.types import (
    Caption,
    Continued,
    Done,
    Event,
    Interrupted,
    SegmentStarted,
    Word,
    Words,
)

RATE = 1000
SENTENCE = (
    "Self-hosted streaming speech lets a model speak while it thinks, and the first sound comes "
    "long before anybody would call it a wait."
)


def spoken(text: str, offset: int = 0, start: int = 0, cps: float = 14.0) -> tuple[Word, ...]:
    """The words of a text at `offset`, at so many characters a second."""
    words = estimate(text, round(len(text) / cps * RATE))
    return tuple(Word(w.text, start + w.start, start + w.end, offset + w.offset) for w in words)


def segment(text: str, offset: int = 0, start: int = 0, cue: str | None = None) -> SegmentStarted:
    return SegmentStarted("c", 0, text, offset, start, "sentence", cue=cue)


def told(words: Sequence[Word]) -> Words:
    return Words("c", tuple(words), "model")


def captions(events: Sequence[Event]) -> list[Caption]:
    captioner = Captioner("c", RATE)
    return [caption for event in events for caption in captioner.push(event)] + captioner.flush()


def test_a_short_sentence_is_one_caption_with_its_marks() -> None:
    words = spoken("“Hello,” she said.", 7)
    (caption,) = captions([segment("“Hello,” she said.", 7), told(words)])
    assert caption == Caption(
        "c", 0, "“Hello,” she said.", words[0].start, words[-1].end, words, None
    )


def test_it_comes_with_its_last_word() -> None:
    captioner = Captioner("c", RATE)
    words = spoken("Hello there, you two!")
    assert captioner.push(segment("Hello there, you two!")) == []
    assert captioner.push(told(words[:-1])) == []
    assert [c.text for c in captioner.push(told(words[-1:]))] == ["Hello there, you two!"]
    assert captioner.flush() == []


def test_a_long_sentence_is_cut_where_a_clause_ends_and_lines_are_broken_before_small_words() -> (
    None
):
    first, second = captions([segment(SENTENCE), told(spoken(SENTENCE))])
    assert first.text == "Self-hosted streaming speech lets\na model speak while it thinks,"
    assert second.text == "and the first sound comes long\nbefore anybody would call it a wait."


def test_a_caption_of_a_slow_voice_is_short() -> None:
    words = spoken(SENTENCE, cps=5)
    found = captions([segment(SENTENCE), told(words)])
    assert len(found) > 3
    assert all(c.end - c.start <= LONGEST_S * RATE for c in found)


def test_no_caption_goes_on_over_a_long_pause() -> None:
    text = "One two three four."
    words = [*spoken(text)[:2], *(spoken(text, start=5000)[2:])]
    assert [c.text for c in captions([segment(text), told(words)])] == ["One two", "three four."]


@pytest.mark.parametrize(
    "text",
    [
        "吾輩は猫である、名前はまだ無い、どこで生れたかとんと見当がつかぬ、ニャーニャー泣いていた事だけは記憶している。",
        "在一个遥远的地方，有一座高高的山，山上有一座古老的寺庙，寺庙里住着一位老和尚和一个小和尚。",
    ],
)
def test_scripts_without_spaces_are_cut_between_characters_that_may_part(text: str) -> None:
    found = captions([segment(text), told(spoken(text, cps=6))])
    assert "".join(c.text.replace("\n", "") for c in found) == text
    assert all(width(line) <= LINE for c in found for line in c.text.split("\n"))
    assert all(line[0] not in "、。，ーャュョっ" for c in found for line in c.text.split("\n"))
    assert all(len(c.words) > 3 for c in found)


def test_a_word_too_long_for_a_line_is_broken_and_never_lost() -> None:
    text = "See https://example.com/" + "a" * 200 + " for more."
    words = spoken(text)
    found = captions([segment(text), told(words)])
    assert [w for c in found for w in c.words] == list(words)
    assert all(width(line) <= LINE for c in found for line in c.text.split("\n"))


def test_words_may_come_before_their_segment() -> None:
    text = "It is still being written."
    words = spoken(text, 10)
    captioner = Captioner("c", RATE)
    before = captioner.push(segment("Before.")) + captioner.push(told(spoken("Before.")))
    assert [c.text for c in before] == ["Before."]
    assert captioner.push(told(words[:3])) == []
    assert captioner.push(told(words[3:])) == []
    assert [c.text for c in captioner.push(segment(text, 10))] == [text]


def test_words_whose_segment_was_never_told_are_captions_too() -> None:
    words = spoken("cut off in the midst", 10)
    (caption,) = captions([told(words)])
    assert (caption.text, caption.words) == ("cut off in the midst", words)


def test_what_was_lost_is_not_quoted() -> None:
    text = "One two, three four."
    lost = SegmentStarted("c", 1, "Five.", 21, 4000, "end", lost=True)
    found = captions([segment(text), told(spoken(text)[:2]), lost, told(spoken("Five.", 21, 4000))])
    assert [c.text for c in found] == ["One two,", "Five."]


def test_a_symbol_behind_the_last_word_may_still_be_spoken() -> None:
    words = (Word("5", 0, 300, 0), Word("%", 300, 700, 2))
    captioner = Captioner("c", RATE)
    assert captioner.push(segment("5 %")) == []
    assert captioner.push(told(words[:1])) == []
    (caption,) = captioner.push(told(words[1:]))
    assert (caption.text, caption.end) == ("5 %", 700)


def test_characters_are_no_words() -> None:
    words = tuple(Word(c, i, i + 1, i) for i, c in enumerate("Hi"))
    assert captions([segment("Hi"), Words("c", words, "estimated", "char")]) == []


def test_cues_have_captions_of_their_own_even_when_they_sound_at_once() -> None:
    one, two = "One thing.", "Another."
    words, others = spoken(one), spoken(two, 11, 100)
    events: list[Event] = [
        *(segment(one, cue="a"), told(words[:1]), segment(two, 11, 100, cue="b")),
        *(told(others), told(words[1:])),
    ]
    assert [(c.cue, c.text) for c in captions(events)] == [("b", two), ("a", one)]


def test_after_a_pause_what_was_not_heard_is_told_again() -> None:
    text = "One, “two” three four five."
    words = spoken(text)
    captioner = Captioner("c", RATE)
    (whole,) = captioner.push(segment(text)) + captioner.push(told(words))
    assert captioner.push(Continued("c", 3000, words[1].offset)) == []
    again = [Word(w.text, w.start + 3000, w.end + 3000, w.offset) for w in words[1:]]
    (rest,) = captioner.push(told(again))
    assert (whole.index, rest.index) == (0, 1)
    assert (rest.text, rest.words) == ("“two” three four five.", tuple(again))


def test_a_pause_ends_the_caption_that_was_being_spoken() -> None:
    text = "One two three four five six."
    words = spoken(text)
    captioner = Captioner("c", RATE)
    assert captioner.push(segment(text)) + captioner.push(told(words[:4])) == []
    (heard,) = captioner.push(Continued("c", 1200, words[2].offset))
    assert (heard.text, heard.words) == ("One two", words[:2])
    again = [Word(w.text, w.start + 3000, w.end + 3000, w.offset) for w in words[2:]]
    (rest,) = captioner.push(told(again))
    assert rest.text == "three four five six."


def test_a_segment_that_is_said_again_from_its_beginning_is_told_once_more() -> None:
    words = spoken("Hello there.")
    captioner = Captioner("c", RATE)
    (first,) = captioner.push(segment("Hello there.")) + captioner.push(told(words))
    again = [Word(w.text, w.start + 900, w.end + 900, w.offset) for w in words]
    captioner.push(Continued("c", 900, 0))
    captioner.push(segment("Hello there.", start=900))
    (second,) = captioner.push(told(again))
    assert (first.text, second.text, second.start) == (first.text, first.text, again[0].start)


def test_an_interruption_ends_with_what_was_heard() -> None:
    text = "One two three four five six."
    words = spoken(text)
    captioner = Captioner("c", RATE)
    captioner.push(segment(text))
    captioner.push(told(words[:4]))
    heard = words[:2]
    event = Interrupted("c", "One two", heard, text[7:], heard[-1].end, "client")
    (caption,) = captioner.push(event)
    assert (caption.text, caption.words) == ("One two", heard)


def test_the_end_tells_the_rest() -> None:
    captioner = Captioner("c", RATE)
    captioner.push(segment("Nice \N{GRINNING FACE}"))
    assert captioner.push(told(spoken("Nice \N{GRINNING FACE}"))) == []
    done = Done("c", "end", 900, 900.0, 6, 1.0, "tone")
    (caption,) = captioner.push(done)
    assert caption.text == "Nice \N{GRINNING FACE}"


_WORD = st.sampled_from(
    "a the of and speech, streaming. “quoted” (in) — well-known isn't 3.14 $1,234.50 p.m. U.S. "
    "https://example.com/a/b 5 % & **bold** ¿qué? «mot» 猫である。 ニャーニャー、 古老的寺庙， Ünïcode नमस्ते। "
    "สวัสดีครับ 안녕하세요 \N{GRINNING FACE} ... - supercalifragilisticexpialidocious".split()
)
_SPACE = st.sampled_from([" ", " ", " ", "  ", "\n", "", "\u00a0"])
_TEXT = (
    st.lists(st.tuples(_WORD, _SPACE), min_size=1, max_size=60)
    .map(lambda pairs: "".join(word + space for word, space in pairs).strip())
    .filter(lambda text: bool(client_words(text)))
)


def _of(texts: Sequence[str], cps: float) -> tuple[list[SegmentStarted], list[tuple[Word, ...]]]:
    segments, words, offset, start = [], [], 0, 0
    for text in texts:
        segments.append(segment(text, offset, start))
        words.append(spoken(text, offset, start, cps))
        offset += len(text) + 1
        start += round(len(text) / cps * RATE) + 200
    return segments, words


def _cut(
    segments: Sequence[SegmentStarted], words: Sequence[tuple[Word, ...]], chance: random.Random
) -> list[Event]:
    """Events of them, cut somehow; a segment may come behind words of its own."""
    events: list[Event] = []
    for one, its in zip(segments, words, strict=True):
        at, early = 0, chance.random() < 0.3
        if not early:
            events.append(one)
        while at < len(its):
            size = chance.choice([1, 2, 3, 100])
            events.append(told(its[at : at + size]))
            at += size
        if early:
            events.append(one)
    return events


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_TEXT, min_size=1, max_size=4),
    st.sampled_from([4.0, 14.0, 40.0]),
    st.integers(0, 2**32),
)
def test_the_captions_are_the_same_however_words_are_cut_into_events(
    texts: list[str], cps: float, seed: int
) -> None:
    segments, words = _of(texts, cps)
    whole: list[Event] = []
    for one, its in zip(segments, words, strict=True):
        whole += one, told(its)
    found = captions(whole)
    assert captions(_cut(segments, words, random.Random(seed))) == found
    assert [word for c in found for word in c.words] == [word for its in words for word in its]
    assert [c.index for c in found] == list(range(len(found)))
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(c.start == c.words[0].start and c.end == c.words[-1].end for c in found)
    for one, its in zip(segments, words, strict=True):
        text = [c.text for c in found if c.words[0] in its]
        assert "".join("".join(text).split()) == "".join(one.text.split())
    for c in found:
        assert all(line.strip() and width(line) <= LINE for line in c.text.split("\n"))
        # One word, or what can hardly be parted.
        alone = len(c.words) == 1 or len(c.text.replace("\n", " ").split(" ")) <= 2
        assert alone or len(c.text.split("\n")) <= LINES
        assert alone or c.end - c.start <= LONGEST_S * RATE


@settings(max_examples=200, deadline=None)
@given(_TEXT)
def test_lines_lose_nothing_and_are_never_too_long(text: str) -> None:
    found = lines(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(line == line.strip() and 0 < width(line) <= LINE for line in found)


def test_no_line_begins_with_what_closes_or_is_small() -> None:
    for length in range(20, 60):
        part = "「キャッチャー」、チャッチャー。"[: length % 7 + 2]
        text = part * (length // len(part))
        broken = lines(text)
        assert "".join(broken) == text
        assert all(line[0] not in "」、。ャッー" for line in broken[1:])
        assert all(line[-1] != "「" for line in broken)
