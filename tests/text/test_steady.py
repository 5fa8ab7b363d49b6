"""What is handed on of a text that is still being written is never taken back, and comes soon."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.text.alignment import client_words
from streamer.text.lexicon import Lexicon
from streamer.text.normalizer import for_ear
from streamer.text.steady import steady
from tests.text.golden import ENGLISH
from tests.text.test_normalizer import PIECES

NONE = Lexicon({})
READINGS = Lexicon(
    {
        "York": "yoke",
        "New York": "the city",
        "new york city": "the big one",
        "C++": "see plus plus",
        "two x": "2 by",
        "x word two": "it",
        "世界": "world",
    }
)
ODD = (
    "New |York |new  york|city |C++| |\t|世|界|今天很好，我们|。|，|= |1. |[x] |<a |；|\u00a0|［a］|ﬀ|が"
    "|\r\n|[a](b |) |](|b]|(a) |<br/>|-|—|'"
)
written = st.lists(
    st.sampled_from([*PIECES.split("|"), *ODD.split("|"), "|", " | "]), max_size=25
).map(lambda pieces: "".join(pieces).strip())


@settings(max_examples=300)
@given(written | st.text(max_size=60).map(str.strip), st.sampled_from([NONE, READINGS]))
@example("b][x] (a)", NONE)
@example("see ![a chart](c) it", NONE)
@example("_word <a [a](b ><York 1) x", NONE)
@example("word; | two", NONE)
@example("Go to New York city now", READINGS)
def test_no_more_text_changes_what_was_steady(text: str, lexicon: Lexicon) -> None:
    whole = lexicon.apply(for_ear(text))
    for end in range(len(text) + 1):
        part = steady(text[:end], lexicon)
        assert whole.text.startswith(part.text)
        for offset, word in client_words(part.text):
            place = offset, offset + len(word)
            assert part.source(*place) == whole.source(*place)


@pytest.mark.parametrize("text", [text.replace("¶", "") for text in ENGLISH])
def test_of_usual_text_only_the_word_being_written_and_marks_before_it_wait(text: str) -> None:
    whole = for_ear(text).text
    for end in range(len(text)):
        part = steady(text[:end], NONE).text
        assert whole.startswith(part)
        waiting = for_ear(text[:end]).text[len(part) :].split()
        if "[" not in text and " ." not in text:  # a mark behind them would move these dots
            assert sum(any(map(str.isalnum, word)) for word in waiting) <= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("Hel", ""),
        ("Hello ", "Hello"),
        ("Hello, wor", "Hello,"),
        ("**Note:** it is ", "Note: it is"),
        ("Great 😊 to see ", "Great to see"),
        ("It costs 5 ", "It costs 5"),
        ("see [the docs", "see"),
        ("see [the docs](http://a.b/c d", "see"),
        ("see [the docs](http://a.b) now ", "see the docs now"),
        ("as in [1] and ", "as in [1] and"),
        ("a <b of ", "a"),
        ("5 < 6 and ", "5 < 6 and"),
        ("wait - ", "wait"),
        ("one | ", "one"),
        ("- first of ", "first of"),
        ("two  spaces and ", "two"),
        ("```python ", ""),
        ("今天天气很好，我们去公园吧", "今天天气很好,我们去公园"),
        ("我们_去公", ""),
    ],
)
def test_it_holds_back_what_may_yet_be_read_otherwise(text: str, said: str) -> None:
    assert steady(text, NONE).text == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Go to New ", "Go to"),
        ("Go to New York ", "Go to"),
        ("Go to New York soon ", "Go to the city soon"),
        ("Go to new york city ", "Go to the big one"),
        ("It is C++ and ", "It is see plus plus and"),
        ("世界世界", ""),
    ],
)
def test_readings_of_several_words_wait_for_the_last(text: str, said: str) -> None:
    assert steady(text, READINGS).text == said


@pytest.mark.parametrize("unit", ["[", "](", "<a ", "[a](b ", "New ", "*_", " |", "世", "[x] "])
def test_long_runs_of_marks_take_no_exponential_time(unit: str) -> None:
    assert isinstance(steady(unit * 150, READINGS).text, str)
