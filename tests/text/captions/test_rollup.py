"""Captions that show again what they have shown are spoken once."""

from __future__ import annotations

import pytest

from streamer.text.captions import Cleaner, CueReader, ParsedCue

YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
hello<00:00:00.500><c> there</c><00:00:01.000><c> world</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
hello there world
\x20

00:00:02.010 --> 00:00:04.000 align:start position:0%
hello there world
this<00:00:02.500><c> is</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
this is
\x20

00:00:04.010 --> 00:00:06.000 align:start position:0%
this is
no

00:00:06.000 --> 00:00:06.010 align:start position:0%
no
\x20

00:00:06.010 --> 00:00:08.000 align:start position:0%
no
no
"""


def spoken(*texts: str, gap_ms: float = 0.0, timed: bool = True) -> list[str]:
    """What is said of cues of a second each, "" for one that is a repeat."""
    cleaner = Cleaner()
    found = []
    for i, text in enumerate(texts):
        start = i * (1000.0 + gap_ms)
        end = start + 1000.0
        cues = cleaner.clean(str(i), start if timed else None, end if timed else None, text)
        found.append(" ".join(cue.text for cue in cues if isinstance(cue, ParsedCue)))
    return found


def test_youtubes_captions_are_spoken_once() -> None:
    reader = CueReader()
    cues = reader.push(YOUTUBE) + reader.flush()
    said = [cue.text if isinstance(cue, ParsedCue) else cue.reason for cue in cues]
    assert said == ["hello there world", "repeat", "this is", "repeat", "no", "repeat", "no"]


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            ["one line", "one line\ntwo lines", "two lines\nthree lines"],
            "one line|two lines|three lines",
        ),
        (["a b\nc d", "c d\ne f", "e f"], "a b c d|e f|"),
        (["a\nb\nc", "b\nc\nd", "c\nd\ne"], "a b c|d|e"),
        (["He", "He went", "He went home", "He went home\nand"], "He|He went|home|and"),
        (["He wen", "He went hom", "He went home."], "He wen|He went hom|home."),
        (["old line\nnew", "old line\nnew words", "new words\nmore"], "old line new|words|more"),
        (
            ["we all live in a yellow", "all live in a yellow\nsubmarine"],
            "we all live in a yellow|submarine",
        ),
        (["今日は", "今日は晴れ", "今日は晴れです\n明日も"], "今日は|晴れ|です 明日も"),
        (["ANN: I say\nthis and", "this and\nthat."], "I say this and|that."),
    ],
)
def test_what_rolls_up_or_grows_is_spoken_once(shown: list[str], said: str, timed: bool) -> None:
    assert spoken(*shown, timed=timed) == said.split("|")


@pytest.mark.parametrize(
    "texts",
    [
        ["No.", "No.", "No."],
        ["Come on.", "Come on, then."],
        ["you know", "know what I mean"],
        ["it was very", "very good"],
        ["It ended.", "It ended. Then it began."],
        ["Yes", "Yes please"],
        ["I do", "I don't know"],
        ["はい", "はいどうぞ"],
    ],
)
def test_what_is_said_again_is_spoken_again(texts: list[str]) -> None:
    assert spoken(*texts) == texts


def test_a_message_that_begins_as_a_short_one_before_is_spoken_whole() -> None:
    assert spoken("Yes", "Yes please", timed=False) == ["Yes", "Yes please"]
    assert spoken("Is it", "It is", "It is so", timed=False) == ["Is it", "It is", "It is so"]


def test_few_words_are_left_out_where_captions_roll_up() -> None:
    shown = ["we all live here", "we all live here\nyes", "yes\nno it", "no it is"]
    assert spoken(*shown) == ["we all live here", "yes", "no it", "is"]


def test_a_cue_that_is_only_held_longer_is_spoken_once() -> None:
    assert spoken("the very same words", "the very same words") == ["the very same words", ""]


def test_a_message_that_somebody_sends_again_is_spoken_again() -> None:
    texts = ["the very same words", "the very same words"]
    assert spoken(*texts, timed=False) == texts


def test_what_was_off_the_screen_is_spoken_again() -> None:
    texts = ["the very same words", "the very same words"]
    assert spoken(*texts, gap_ms=2000.0) == texts


def test_a_correction_is_compared_with_what_was_before_it() -> None:
    cleaner = Cleaner()
    cues = [
        cleaner.clean(id, start, start + 1000.0, text)[0]
        for id, start, text in [
            ("1", 0.0, "one line here"),
            ("2", 1000.0, "one line here\ntwo line"),
            ("2", 1000.0, "one line here\ntwo lines here"),
            ("3", 2000.0, "two lines here\nthree"),
            ("2", 1000.0, "one line here\ntwo lines there"),
            ("3", 2000.0, "two lines here\nthree lines"),
        ]
    ]
    assert [cue.text for cue in cues if isinstance(cue, ParsedCue)] == [
        *("one line here", "two line", "two lines here"),
        *("three", "two lines there", "three lines"),
    ]


def test_a_text_that_is_too_long_to_be_on_a_screen_is_spoken_as_it_is() -> None:
    long = "word " * 1000
    assert spoken(long, long) == [long.strip()] * 2
