"""What is spoken of a cue, and by whom."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.text.captions import Cleaner, Dropped, ParsedCue
from streamer.types import Descriptions


def said(
    text: str, *, descriptions: Descriptions = "skip", speakers: tuple[str, ...] = ("Bob",)
) -> list[tuple[str | None, str]] | str:
    """Who says what; or why nothing is said."""
    cues = Cleaner(speakers=speakers, descriptions=descriptions).clean("c", 0.0, 1000.0, text)
    if isinstance(cues[0], Dropped):
        return cues[0].reason
    return [(cue.speaker, cue.text) for cue in cues if isinstance(cue, ParsedCue)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("one\ntwo", "one two"),
        ("  one \t two  ", "one two"),
        ("<b>bold</b> <i>and</i> <u>so</u> <c.red.big>on</c>", "bold and so on"),
        ('<font color="red">red</font><br>line', "red line"),
        ("<lang en-GB>colour</lang>", "colour"),
        ("a<00:00:01.000> b<01:02.500><c> c</c>", "a b c"),
        ("<ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby> done", "漢字 done"),
        ("Q&amp;A &lt;3 &#233;t&eacute;&nbsp;!", "Q&A <3 été !"),
        ("&lt;v Bob&gt; is text", "<v Bob> is text"),
        ("I <3 you, 1 < 2 > 0", "I <3 you, 1 < 2 > 0"),
        ("{\\an8}{\\pos(1,2)}up {y:i}there", "up there"),
        ("soft\u00adhyphen\u200b and \u200fmarks\u202c", "softhyphen and marks"),
        ("nul\0 and \x1b[0m", "nul and [0m"),
        ("half \ud800 a pair", "half a pair"),
        ("a number &#99999999999999999999999999; too long", "a number too long"),
        ("<i", "<i"),
    ],
)
def test_markup_is_not_spoken(text: str, plain: str) -> None:
    assert said(text) == [(None, plain)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<v Ann>Hi</v>", [("Ann", "Hi")]),
        ("<v.loud.first Ann Lee>Hi", [("Ann Lee", "Hi")]),
        ("<v bob>Hi", [("Bob", "Hi")]),
        ("<v Q&amp;A>Hi", [("Q&A", "Hi")]),
        ("<v Ann>Hi</v>\n<v Bob>Ho</v>", [("Ann", "Hi"), ("Bob", "Ho")]),
        ("<v Ann>Hi\n<v Ann>there", [("Ann", "Hi there")]),
        ("<v Ann>Hi</v> and on", [("Ann", "Hi"), (None, "and on")]),
        ("<v>Hi", [(None, "Hi")]),
        ("ANN: Hi", [("ANN", "Hi")]),
        ("bob: Hi", [("Bob", "Hi")]),
        ("BOB : Hi", [("Bob", "Hi")]),
        ("Bob: Hi\nthere\nANN: Ho", [("Bob", "Hi there"), ("ANN", "Ho")]),
        ("DR. O'NEIL (V.O.): Hi", [("DR. O'NEIL", "Hi")]),
        ("Ann: Hi", [(None, "Ann: Hi")]),
        ("THIS IS A VERY LONG SHOUT: Hi", [(None, "THIS IS A VERY LONG SHOUT: Hi")]),
        ("10:30 is late", [(None, "10:30 is late")]),
        ("HTTP://example.com", [(None, "HTTP://example.com")]),
        ("[BOB] Hi", [("Bob", "Hi")]),
        ("(Bob) Hi", [("Bob", "Hi")]),
        ("- Hi\n- Ho", [(None, "Hi Ho")]),
        ("- Bob: Hi\n- Ho", [("Bob", "Hi"), (None, "Ho")]),
        ("–Hi", [(None, "Hi")]),
        ("-5 degrees", [(None, "-5 degrees")]),
        (">> Hi\n>>> ANN: Ho", [(None, "Hi"), ("ANN", "Ho")]),
        ("&gt;&gt; BOB: Hi", [("Bob", "Hi")]),
        ("（拍手）鲍勃：你好", [(None, "鲍勃：你好")]),
    ],
)
def test_who_speaks(text: str, expected: list[tuple[str | None, str]]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "skipped", "spoken"),
    [
        ("[music]", "description", "music"),
        ("(laughs)", "description", "laughs"),
        ("（笑）", "description", "笑"),
        ("[door\nslams]", "description", "door slams"),
        ("(speaking\nin French)", "description", "speaking in French"),
        ("♪ la la ♪", "description", "la la"),
        ("♪ la\nla", "description", "la la"),
        ("*sighs*", "description", "sighs"),
        ("♪♪", "description", None),
        ("- (laughs)\n- [music]", "description", "laughs music"),
        ("(sighs) All right (laughs)", "All right", "sighs All right laughs"),
        ("Yes [coughs] indeed", "Yes indeed", "Yes coughs indeed"),
        ("- (sighs) Yes", "Yes", "sighs Yes"),
        ("♪ la la ♪ Hello", "Hello", "la la Hello"),
        ("he left (in 1999)", "he left (in 1999)", "he left (in 1999)"),
        ("it (I think) works", "it (I think) works", "it (I think) works"),
    ],
)
def test_sounds_are_skipped_or_told(text: str, skipped: str, spoken: str | None) -> None:
    reasons = ("description", "empty")
    assert said(text) == (skipped if skipped in reasons else [(None, skipped)])
    assert said(text, descriptions="speak") == (
        "description" if spoken is None else [(None, spoken)]
    )


@pytest.mark.parametrize(("start", "speaker"), [(1900.0, "ANNA"), (2100.0, None)])
def test_a_sentence_goes_on_in_the_next_cue_if_that_comes_soon(
    start: float, speaker: str | None
) -> None:
    cleaner = Cleaner()
    cleaner.clean("1", 0.0, 1000.0, "ANNA: I would say")
    (cue,) = cleaner.clean("2", start, start + 1000.0, "that it is so.")
    assert isinstance(cue, ParsedCue)
    assert cue.speaker == speaker


@pytest.mark.parametrize("text", ["", " \n ", "<i></i>", "...", "-", "&nbsp;", "😀", "<v Ann></v>"])
def test_a_cue_without_a_word_is_empty(text: str) -> None:
    assert said(text) == "empty"


def test_the_time_of_several_speakers_is_divided_by_the_length_of_what_they_say() -> None:
    text = "<v Ann>12345\n<v Bob>123456789012345"
    assert Cleaner().clean("c", 1000.0, 3000.0, text) == [
        ParsedCue("c", 1000.0, 1500.0, "12345", "Ann"),
        ParsedCue("c/2", 1500.0, 3000.0, "123456789012345", "Bob", of="c"),
    ]
    first, second = Cleaner().clean("c", 1000.0, None, text)
    assert isinstance(first, ParsedCue)
    assert isinstance(second, ParsedCue)
    assert first.end_ms == second.start_ms
    assert second.end_ms is None
    for cue in Cleaner().clean("c", None, None, text):
        assert isinstance(cue, ParsedCue)
        assert (cue.start_ms, cue.end_ms) == (None, None)


def test_a_sentence_that_is_not_finished_goes_on_with_its_speaker() -> None:
    cleaner = Cleaner()
    speakers = []
    for i, text in enumerate(["ANN: I think", "that it works.", "Good.", "BOB: No", "- Yes"]):
        [cue] = cleaner.clean(str(i), i * 1000.0, i * 1000.0 + 900, text)
        assert isinstance(cue, ParsedCue)
        speakers.append(cue.speaker)
    assert speakers == ["ANN", "ANN", None, "BOB", None]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (float("nan"), 1.0),
        (0.0, float("inf")),
        (-1.0, 1.0),
        (2.0, 1.0),
        (1.0, 1.0),
        (4e13, 5e13),
        (float("nan"), None),
    ],
)
def test_times_that_are_none(start: float, end: float | None) -> None:
    assert Cleaner().clean("c", start, end, "x") == [Dropped("c", "invalid")]


@settings(max_examples=300, deadline=None)
@example("00000<v a>0<v b>000")
@given(
    text=st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            [*"<>v/&#[]()♪-: \nAb1*{}\\（）", "Bob", "<v Bob>", "</v>", "<rt>", "&amp;"]
        )
    ).map("".join)
)
def test_whatever_the_text_it_is_one_reason_or_words(text: str) -> None:
    for descriptions in ("skip", "speak"):
        cleaner = Cleaner(speakers=["Bob"], descriptions=descriptions)
        cues = cleaner.clean("c", 0.0, 1000.0, text)
        if any(isinstance(cue, Dropped) for cue in cues):
            assert len(cues) == 1
            continue
        parts = [cue for cue in cues if isinstance(cue, ParsedCue)]
        assert parts[0].start_ms == 0.0
        assert parts[-1].end_ms == 1000.0
        for one, two in pairwise(parts):
            assert one.end_ms == two.start_ms
            assert one.speaker != two.speaker
        for part in parts:
            assert part.text == " ".join(part.text.split())
            assert any(map(str.isalnum, part.text))
