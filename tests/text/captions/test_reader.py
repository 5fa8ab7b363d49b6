"""WebVTT and SRT as they are found, cut anywhere."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import InvalidCaptions
from streamer.text.captions import CueReader, Dropped, ParsedCue
from streamer.text.captions.cleaner import MOST_MS
from streamer.types import Descriptions
from tests.text.captions.hostile import many

VTT = """\ufeffWEBVTT - a talk
Kind: captions

NOTE a comment
over two lines

STYLE
::cue { color: red }

REGION
id:fred width:40%

1
00:01.000 --> 00:04.000 align:start position:10%
<v Roger Bingham>We are in New York City</v>

intro
00:00:05.000 --> 00:00:06.000
[music]

00:06.000 --> 00:07.000
no <c.loud>name</c>

00:08.000 --> 00:07.000
backward

no times

00:11.000 --> 00:12.000

10:00:00.000 --> 10:00:01.5
ten hours"""

SRT = """1
00:00:01,000 --> 00:00:02,500 X1:40 X2:600
{\\an8}<font color="red">One</font>

behind an empty line

00:03 --> 00:04
no number
3
0:0:5,5 --> 0:0:6.25
glued to the one before

4

00:00:07,000 --> 00:00:08,000

everything apart

5
NaN --> NaN
never

3
00:00:09,000 --> 00:00:10,000
the same number"""


def read(
    text: str, *, speakers: Collection[str] = (), descriptions: Descriptions = "skip"
) -> list[ParsedCue | Dropped]:
    reader = CueReader(speakers=speakers, descriptions=descriptions)
    return reader.push(text) + reader.flush()


def outcome(*pieces: str) -> list[ParsedCue | Dropped] | str:
    """What comes of a text in pieces, or what it is refused as."""
    reader = CueReader()
    try:
        return [cue for piece in pieces for cue in reader.push(piece)] + reader.flush()
    except InvalidCaptions as error:
        return repr((error, error.details))


def test_webvtt_with_all_that_it_has() -> None:
    assert read(VTT) == [
        ParsedCue("1", 1000.0, 4000.0, "We are in New York City", "Roger Bingham"),
        Dropped("intro", "description", 6000.0),
        ParsedCue("3", 6000.0, 7000.0, "no name"),
        Dropped("4", "invalid"),
        Dropped("no times", "invalid"),
        Dropped("6", "empty", 12000.0),
        ParsedCue("7", 36_000_000.0, 36_001_500.0, "ten hours"),
    ]


def test_srt_as_people_write_it() -> None:
    assert read(SRT) == [
        ParsedCue("1", 1000.0, 2500.0, "One"),
        ParsedCue("1", 1000.0, 2500.0, "One behind an empty line"),
        ParsedCue("2", 3000.0, 4000.0, "no number"),
        ParsedCue("3", 5500.0, 6250.0, "glued to the one before"),
        ParsedCue("4", 7000.0, 8000.0, "everything apart"),
        Dropped("5", "invalid"),
        ParsedCue("3#6", 9000.0, 10000.0, "the same number"),
    ]


@pytest.mark.parametrize("text", [VTT, SRT])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_every_way(text: str, end: str) -> None:
    assert read(text.replace("\n", end)) == read(text)


def test_lines_of_a_file_may_end_in_several_ways() -> None:
    text = "WEBVTT\r\n\r00:01.000 --> 00:02.000\rone\n\n00:03.000 --> 00:04.000\r\ntwo\r\n\r\n"
    assert [cue.text for cue in read(text) if isinstance(cue, ParsedCue)] == ["one", "two"]


def test_a_cue_comes_with_the_empty_line_behind_it() -> None:
    reader = CueReader()
    assert reader.push("WEBVTT\n\n00:01.000 --> 00:02.000\nnow\n") == []
    assert reader.push("\n") == [ParsedCue("1", 1000.0, 2000.0, "now")]


def test_a_flush_ends_the_open_block_and_more_may_follow() -> None:
    reader = CueReader()
    reader.push("WEBVTT\n\n00:01.000 --> 00:02.000\nnow")
    assert reader.flush() == [ParsedCue("1", 1000.0, 2000.0, "now")]
    assert reader.flush() == []
    assert reader.push("00:03.000 --> 00:04.000\nthen\n\n") == [
        ParsedCue("2", 3000.0, 4000.0, "then")
    ]


@pytest.mark.parametrize("head", ["WEBVTT\n\n", "1\n"])
def test_lines_behind_a_flush_go_on_with_the_cue_until_an_empty_line(head: str) -> None:
    reader = CueReader()
    reader.push(head + "00:00:01.000 --> 00:00:02.000\n")
    assert not reader.open
    reader.push("Good")
    assert not reader.open
    assert reader.push(" evening,\n") == []
    assert reader.open
    assert reader.flush() == [ParsedCue("1", 1000.0, 2000.0, "Good evening,")]
    assert not reader.open
    assert reader.push("and\n") == []
    assert reader.open
    assert reader.flush() == [ParsedCue("1", 1000.0, 2000.0, "Good evening, and")]
    assert reader.push("NOTE welcome.\n\n") == [
        ParsedCue("1", 1000.0, 2000.0, "Good evening, and NOTE welcome.")
    ]
    cues = reader.push("2\n00:00:03.000 --> 00:00:04.000\nBye.\n\n")
    assert cues == [ParsedCue("2", 3000.0, 4000.0, "Bye.")]


def test_what_may_be_the_number_of_the_next_cue_is_no_text_yet() -> None:
    reader = CueReader()
    reader.push("1\n00:00:01,000 --> 00:00:02,000\nnow\n2\n")
    assert not reader.open
    reader.push("00:00:02,000 --> 00:00:03,000\nthen\n")
    assert reader.open
    assert [cue.id for cue in reader.flush()] == ["2"]
    reader.push("3\n")
    assert not reader.open
    reader.push("00:00:03,000 --> 00:00:04,000\nat last\n\n")
    assert not reader.open


def test_behind_a_flush_and_an_empty_line_webvtt_wants_times_again() -> None:
    reader = CueReader()
    reader.push("WEBVTT\n\n00:01.000 --> 00:02.000\nnow\n")
    assert len(reader.flush()) == 1
    assert reader.push("\nnowhere\n\n") == [Dropped("nowhere", "invalid")]
    reader.push("NOTE a remark\n")
    assert not reader.open
    assert reader.flush() == []
    assert reader.push("of two lines\n\n") == [Dropped("of two lines", "invalid")]


def test_the_same_name_at_the_same_time_is_a_correction_and_at_another_another_cue() -> None:
    text = "WEBVTT\n\n" + "\n\n".join(
        f"{name}\n00:0{second}.000 --> 00:0{second + 1}.000\n{said}"
        for name, second, said in [("a", 1, "helo"), ("a", 1, "hello"), ("a", 5, "bye")]
    )
    assert [cue.id for cue in read(text)] == ["a", "a", "a#3"]


def test_a_file_in_a_file_goes_on_numbering() -> None:
    one = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\none\n\n2\n00:03.000 --> 00:04.000\ntwo\n\n"
    again = one.replace("00:0", "01:0").replace("one", "three").replace("two", "four")
    cues = read(one + again)
    assert len({cue.id for cue in cues}) == 4
    assert all(isinstance(cue, ParsedCue) for cue in cues)


def test_a_name_longer_than_a_name_is_none() -> None:
    assert read(f"WEBVTT\n\n{'x' * 200}\n00:01.000 --> 00:02.000\nhi") == [
        ParsedCue("1", 1000.0, 2000.0, "hi")
    ]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "  \n\r\n"])
def test_nothing_is_no_cue(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    "times",
    [
        "00:02.000 --> 00:01.000",
        "00:02.000 --> 00:02.000",
        "NaN --> NaN",
        "00:nan --> 00:inf",
        "-00:01.000 --> 00:02.000",
        "00:61.000 --> 00:62.000",
        "9999999999:00:00.000 --> 9999999999:00:01.000",
        "99999999999999999999:00:00.000 --> 99999999999999999999:00:01.000",
        "00:01.000 -->",
        "--> 00:01.000",
        "00:01.000 --> 00:02.000x",
    ],
)
@pytest.mark.parametrize("head", ["WEBVTT\n\n", ""])
def test_times_that_are_none_drop_one_cue(head: str, times: str) -> None:
    cues = read(f"{head}1\n{times}\nlost\n\n2\n00:05.000 --> 00:06.000\nkept")
    assert [cue.id for cue in cues] == ["1", "2"]
    assert isinstance(cues[0], Dropped)
    assert cues[0].reason == "invalid"
    assert cues[1] == ParsedCue("2", 5000.0, 6000.0, "kept")


def test_a_file_is_read_as_the_library_reads_all_of_it() -> None:
    text = "".join(many(300, seed=4, bad=0.0)).replace("\r\n", "\n").replace("\r", "\n")
    whole = webvtt.from_string(text).captions
    cues = read(text, descriptions="speak")
    assert len(cues) == len(whole) == 300
    marks = str.maketrans("()♪", "   ")
    for cue, caption in zip(cues, whole, strict=True):
        assert isinstance(cue, ParsedCue)
        assert cue.id == caption.identifier
        times = caption.start_time.in_milliseconds(), caption.end_time.in_milliseconds()
        assert (cue.start_ms, cue.end_ms) == times
        said = caption.text.translate(marks).replace("&amp;", "&")
        assert cue.text.translate(marks).split() == said.split()


@pytest.mark.parametrize("head", ["WEBVTT\n\n", ""])
def test_an_empty_cue_at_an_impossible_time_is_no_end_of_the_captions(head: str) -> None:
    late = "1\n9999999999:00:00.000 --> 9999999999:00:01.000\n\n2\n00:05.000 --> 00:06.000\nkept"
    assert read(head + late)[0] == Dropped("1", "invalid")


PIECES = st.sampled_from(
    [
        *VTT.splitlines(keepends=True),
        *SRT.splitlines(keepends=True),
        *(
            "\n",
            "\r",
            "\r\n",
            "WEBVTT\n\n",
            "-->",
            "<v Ann>",
            "<",
            "&amp",
            "♪",
            "[",
            "(",
            "\0",
            ">> ",
        ),
        *(
            "00:01.000 --> 00:02.000\n",
            "00:02.000 --> 00:03.000 line:0\n",
            "7\n",
            "A: b\n",
            "- c\n",
        ),
        *("<tt", "<?xml ?>\n", "[Script Info]\n", "{1}{2}x\n", "\ud800", "&#99999999999999999999;"),
        "9999999999:00:00.000 --> 9999999999:00:01.000\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(PIECES | st.text(max_size=8), max_size=30), data=st.data())
def test_the_same_however_it_is_cut(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = outcome(text)
    assert outcome(*parts) == whole
    assert outcome(*text) == whole


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(PIECES | st.text(max_size=20), max_size=40), data=st.data())
def test_what_comes_out_can_be_spoken(pieces: list[str], data: st.DataObject) -> None:
    head = data.draw(st.sampled_from(["WEBVTT\n\n", "00:01.000 --> 00:02.000\n"]))
    for cue in read(head + "".join(pieces), speakers=["Ann"]):
        if isinstance(cue, ParsedCue):
            assert any(map(str.isalnum, cue.text))
            assert cue.text == " ".join(cue.text.split())
            assert cue.start_ms is not None
            assert cue.end_ms is not None
            assert 0 <= cue.start_ms < cue.end_ms <= MOST_MS
            cue.text.encode()
        elif cue.end_ms is not None:
            assert cue.end_ms <= MOST_MS
