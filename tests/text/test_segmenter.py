"""The segmenter's own behaviour: any cutting of the input, clauses, timer, length, flush, bounds."""

from __future__ import annotations

import sys
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.text.lexicon import Lexicon
from streamer.text.segmenter import Segmenter, Span
from streamer.text.steady import steady
from streamer.text.view import LOOKAHEAD
from streamer.types import Cut
from tests.text.golden import AGENT, ENGLISH, OTHER, segments

GOLDEN = [segments(case)[0] for cases in (ENGLISH, AGENT, *OTHER.values()) for case in cases]
FRAGMENTS = [
    *"Hello|the |The |I |I'm |word |Dr.|Mr. |e.g. |U.S. |No. |Inc. |a.m. |3.14|$1,234.50|2024. "
    "|1. |2. |b) |.|...| . . . |!|?|…|, |; |: | - |—|--|(|)|[a](http://x.y)|\"|“|”|'|’|**|_|`|•| • "
    "|。|！|？|、|，|「|」|今天|です|안녕|٣|😊|👍🏽|👨‍👩‍👧|é|\u0301|\u200b|\n|\n\n|\r\n|\t| |  "
    "|www.x.com|a@b.co|iPhone|://".split("|"),
    "x" * 50,
    " " * 90,
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join) | st.text(max_size=80)
cuts = st.sampled_from(get_args(Cut))


def run(pieces: list[str], cut: Cut, max_chars: int = 300) -> list[Span]:
    segmenter = Segmenter(cut, max_chars=max_chars)
    spans = [span for piece in pieces for span in segmenter.push(piece)]
    return spans + segmenter.flush("end")


@settings(max_examples=400, deadline=None)
@given(text=texts, cut=cuts, max_chars=st.sampled_from((20, 60, 300)), data=st.data())
def test_any_cutting_of_the_input_gives_the_same_spans(
    text: str, cut: Cut, max_chars: int, data: st.DataObject
) -> None:
    whole = run([text], cut, max_chars)
    assert run(list(text), cut, max_chars) == whole
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    assert run(pieces, cut, max_chars) == whole


@settings(max_examples=300, deadline=None)
@given(text=texts, cut=cuts, pauses=st.lists(st.booleans(), min_size=200, max_size=200))
def test_every_visible_character_is_in_one_span_in_order(
    text: str, cut: Cut, pauses: list[bool]
) -> None:
    segmenter = Segmenter(cut, max_chars=40)
    spans: list[Span] = []
    for character, pause in zip(text, pauses * (len(text) // 200 + 1), strict=False):
        spans += segmenter.push(character)
        if pause:
            spans += segmenter.pause()
    spans += segmenter.flush()
    assert segmenter.pending == ""
    end = 0
    for span in spans:
        assert span.text
        assert span.text == span.text.strip()
        assert text[span.offset : span.offset + len(span.text)] == span.text
        assert not text[end : span.offset].strip()
        end = span.offset + len(span.text)
    assert not text[end:].strip()


@pytest.mark.parametrize("cut", get_args(Cut))
@pytest.mark.parametrize("text", GOLDEN)
def test_golden_texts_give_the_same_spans_in_every_cut(text: str, cut: Cut) -> None:
    whole = run([text], cut)
    assert run(list(text), cut) == whole
    assert run(text.replace(" ", " \0").split("\0"), cut) == whole


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Well, I think that we should go, but not now.", "Well, I think that we should go,"),
        ("On March 5, 2024, we met again.", "On March 5, 2024,"),
        ("He paid 1,234,567 dollars in cash, then left.", "He paid 1,234,567 dollars in cash,"),
        ('"Hello there my old friend," she said.', '"Hello there my old friend,"'),
        ("I was thinking about it—maybe we go.", "I was thinking about it—"),
        ("I was thinking of this - maybe not.", "I was thinking of this -"),
        ("We leave at half past seven: be there.", "We leave at half past seven:"),
        ("I like all fruit, e.g., apples, a lot.", "I like all fruit,"),
        ("I like fruit, e.g., apples, a lot.", "I like fruit, e.g., apples,"),
        ("It is (really, yes, I mean it) so.", "It is (really, yes, I mean it) so."),
        ("It's 7:30 and the score is 3:1, ok.", "It's 7:30 and the score is 3:1,"),
        ("See https://a.b/c,d;e:f now or later, then.", "See https://a.b/c,d;e:f now or later,"),
        ("Yes, no, well, so be it.", "Yes, no, well, so be it."),
        ("今天天气很好我们去，公园玩吧。", "今天天气很好我们去，"),
        ("今天，公园玩吧。", "今天，公园玩吧。"),
    ],
)
def test_the_first_segment_may_be_a_clause(text: str, first: str) -> None:
    assert run([text], "auto")[0].text == first


def test_a_clause_is_decided_at_the_space_behind_its_mark() -> None:
    segmenter = Segmenter("auto")
    assert segmenter.push("Let me have a look,") == []
    assert segmenter.push(" ") == [Span("Let me have a look,", 0, "clause")]


def test_only_the_first_segment_of_auto_is_a_clause() -> None:
    text = "Let me have a look, then we see. Give me a minute or so, please. Thanks."
    assert [span.reason for span in run([text], "auto")] == [
        "clause",
        "sentence",
        "sentence",
        "end",
    ]
    assert [span.reason for span in run([text], "sentence")] == ["sentence", "sentence", "end"]
    assert [span.text for span in run([text], "clause")] == [
        "Let me have a look,",
        "then we see.",
        "Give me a minute or so,",
        "please.",
        "Thanks.",
    ]


def test_the_least_length_of_a_clause_is_a_setting() -> None:
    segmenter = Segmenter("auto", first_clause_words=2)
    assert segmenter.push("Well then, go on.")[0].text == "Well then,"


def test_cut_none_waits_for_flush_and_length() -> None:
    segmenter = Segmenter("none", max_chars=30)
    assert segmenter.push("One. Two.\n\nThree! ") == []
    assert segmenter.pause() == []
    assert segmenter.flush() == [Span("One. Two.\n\nThree!", 0, "flush")]


def test_flush_decides_at_once_and_offsets_go_on() -> None:
    segmenter = Segmenter("sentence")
    segmenter.push("I met Dr. Alvarez. She is")
    assert segmenter.flush() == [Span("She is", 19, "flush")]
    assert segmenter.flush() == []
    assert segmenter.push(" well. Bye") == [Span("well.", 26, "sentence")]
    assert segmenter.flush("end") == [Span("Bye", 32, "end")]


def test_flush_still_cuts_what_had_waited() -> None:
    segmenter = Segmenter("sentence")
    assert segmenter.push("I live in the U.K. Where") == []
    assert [s.text for s in segmenter.flush()] == ["I live in the U.K.", "Where"]


def test_pending_is_what_was_received_and_not_cut() -> None:
    segmenter = Segmenter("sentence")
    segmenter.push("Come in. Sit")
    assert segmenter.pending == "Sit"


TIMER = [
    ("Hello world.", "Hello world."),
    ("Is it you?", "Is it you?"),
    ('He said "Hi."', 'He said "Hi."'),
    ("Sure! 😊", "Sure! 😊"),
    ("Wait...", "Wait..."),
    ("你好。", "你好。"),
    ("Steps:\n", "Steps:"),
    ("No.", "No."),
    ("It cost $3. ", "It cost $3."),
    ("It was in 2020. ", "It was in 2020."),
    ("Open example.com. ", "Open example.com."),
    ("Milk, eggs, etc. ", "Milk, eggs, etc."),
    ("the plan is to go to the ", "the plan is to go"),
    ("we waited there all day lo", "we waited there all day"),
    ("please open the page https://exa", "please open the page"),
    ("the number to call is 555 ", "the number to call"),
    ("our number is 555 ", None),
    ("now read the whole page [the docs of this](http", "now read the whole page"),
    ("now read the whole page [the docs of", "now read the whole page"),
    ("Hello wor", None),
    ("I paid $3.", None),
    ("I paid 1,", None),
    ("I met Dr.", None),
    ("I met Dr. ", None),
    ("I met Dr. Sm", None),
    ("in the U.S.", None),
    ("in the U.S. ", None),
    ("by J. ", None),
    ("it is item no. ", None),
    ("see example.com.", None),
    ("go to https://exa", None),
    ("mail anna.b@exa", None),
    ("1. ", None),
    ('Hello "there. You', None),
    ("   ", None),
]


@pytest.mark.parametrize(("text", "cut_text"), TIMER)
def test_the_timer_cuts_only_between_words(text: str, cut_text: str | None) -> None:
    segmenter = Segmenter("auto")
    assert segmenter.push(text) == []
    spans = segmenter.pause()
    assert [(s.text, s.reason) for s in spans] == ([(cut_text, "timer")] if cut_text else [])
    assert segmenter.pause() == []


def test_after_the_timer_the_rest_goes_on() -> None:
    segmenter = Segmenter("auto")
    segmenter.push("we waited there all day lo")
    segmenter.pause()
    assert segmenter.push("ng. Then we left.") == [Span("long.", 24, "sentence")]


def test_the_timer_prefers_a_clause_mark() -> None:
    segmenter = Segmenter("auto")
    segmenter.push("Well, hello. We went along the old river, slowly walking home ")
    assert [s.text for s in segmenter.pause()] == ["We went along the old river,"]


def test_the_timer_leaves_sentences_whole_if_asked_to() -> None:
    segmenter = Segmenter("sentence")
    segmenter.push("the plan is to go to the ")
    assert segmenter.pause() == []
    segmenter.push("sea.")
    assert [s.text for s in segmenter.pause()] == ["the plan is to go to the sea."]


def test_a_long_sentence_is_cut_at_its_last_clause_mark() -> None:
    text = "one two three four, five six seven eight, nine ten eleven twelve thirteen"
    spans = run([text], "sentence", max_chars=50)
    assert spans[0] == Span("one two three four, five six seven eight,", 0, "length")


def test_a_wide_clause_mark_right_behind_the_limit_makes_no_segment_longer_than_it() -> None:
    spans = run(["字" * 30 + "，" + "字" * 9], "sentence", max_chars=30)
    assert [len(s.text) for s in spans] == [30, 10]


def test_a_long_sentence_without_marks_is_cut_between_words() -> None:
    spans = run(["several words without any mark in between and so on"], "sentence", max_chars=30)
    assert [s.text for s in spans] == ["several words without any mark", "in between and so on"]
    spans = run(["they drove along and along to the beach house"], "sentence", max_chars=33)
    assert spans[0].text == "they drove along and along"


def test_unspaced_text_is_cut_without_tearing_a_character() -> None:
    text = "x" * 18 + "👨‍👩‍👧‍👦" + "e\u0301" * 30
    spans = run([text], "sentence", max_chars=20)
    assert "".join(s.text for s in spans) == text
    assert all(s.text[0] not in "\u200d\u0301" and s.text[-1] != "\u200d" for s in spans)
    assert all(len(s.text) <= 20 for s in spans)


@pytest.mark.parametrize("onward", [False, True])
@pytest.mark.parametrize("unit", ["x", ".", "(", '"', "word ", "-", "。", "1.", "\n", "Dr. ", "😊"])
def test_what_waits_is_bounded(unit: str, onward: bool) -> None:
    segmenter = Segmenter("sentence", onward=onward)
    for _ in range(3000):
        segmenter.push(unit)
        assert len(segmenter.pending) <= 300 + 140 * onward + LOOKAHEAD + len(unit)
        assert sys.getsizeof(segmenter._text) < 8000


@pytest.mark.parametrize("unit", ["x", "(", '"', ".", " ", "word ", "One. "])
def test_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Counted in lines of code run, not in time."""

    def lines(text: str) -> int:
        count = 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal count
            count += 1
            return trace

        segmenter = Segmenter("sentence")
        before = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            segmenter.push(text)
        finally:
            sys.settrace(before)
        return count

    short, long = lines(unit * 1000), lines(unit * 4000)
    assert long <= 4.6 * short + 100


# Text that is spoken while it comes


@settings(max_examples=400, deadline=None)
@given(text=texts, cut=cuts, max_chars=st.sampled_from((20, 60, 300)), data=st.data())
def test_onward_any_cutting_of_the_input_gives_the_same_spans(
    text: str, cut: Cut, max_chars: int, data: st.DataObject
) -> None:
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=10)))
    pieces = [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]
    spans = []
    for cutting in ([text], list(text), pieces):
        segmenter = Segmenter(cut, max_chars=max_chars, onward=True)
        found = [span for piece in cutting for span in segmenter.push(piece)]
        spans.append(found + segmenter.flush("end"))
    assert spans[0] == spans[1] == spans[2]


def _said(text: str) -> int:
    """Up to where whole words of a text are known, or whole characters of scripts without spaces."""
    part = steady(text, Lexicon({}))
    return part.source(0, len(part))[1] if part.text else 0


@settings(max_examples=300, deadline=None)
@given(
    text=texts,
    cut=cuts,
    max_chars=st.sampled_from((20, 300)),
    pauses=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_onward_what_is_sure_stays_in_its_segment(
    text: str, cut: Cut, max_chars: int, pauses: list[bool]
) -> None:
    segmenter = Segmenter(cut, max_chars=max_chars, onward=True)
    spans: list[Span] = []
    sure: dict[int, int] = {}
    for number, character in enumerate(text):
        spans += segmenter.push(character)
        if pauses[number % len(pauses)]:
            spans += segmenter.pause(between_words=False)
        known, offset = segmenter.sure
        assert text[offset : offset + len(known)] == known
        if said := _said(known):
            sure[offset] = max(sure.get(offset, 0), said)
    spans += segmenter.flush("end")
    ends = {span.offset: len(span.text) for span in spans}
    for offset, said in sure.items():
        assert said <= ends[offset]


def test_onward_the_first_clause_is_no_segment() -> None:
    text = "Well then my friend, here we go again. And on."
    segmenter = Segmenter("auto", onward=True)
    spans = [*segmenter.push(text), *segmenter.flush()]
    assert [s.text for s in spans] == ["Well then my friend, here we go again.", "And on."]


def test_onward_a_long_sentence_ends_with_the_clause_that_it_is_in() -> None:
    text = "one two three four five six, seven eight nine ten, eleven"
    segmenter = Segmenter("sentence", max_chars=30, onward=True)
    spans = [*segmenter.push(text), *segmenter.flush()]
    assert spans[0] == Span("one two three four five six, seven eight nine ten,", 0, "length")


def test_onward_a_long_sentence_without_marks_ends_between_words() -> None:
    text = "word " * 40
    segmenter = Segmenter("sentence", max_chars=30, onward=True)
    spans = segmenter.push(text)
    assert spans[0] == Span("word " * 18 + "word", 0, "length")


def test_a_segment_may_be_ended_where_another_voice_goes_on() -> None:
    segmenter = Segmenter("sentence", onward=True)
    segmenter.push("Before. She said ")
    assert segmenter.split(16) == [Span("She said", 8, "language")]
    segmenter.push("something else")
    assert segmenter.flush() == [Span("something else", 17, "flush")]
