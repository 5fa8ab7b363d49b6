"""WebVTT and SubRip as a library reads them."""

from __future__ import annotations

import html
import io
import re
from itertools import pairwise

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from streamer.text.captions.writer import SrtWriter, VttWriter
from streamer.types import Caption, Word

RATE = 24000


def caption(
    text: str, start: int, words: tuple[Word, ...] = (), end: int | None = None, cue: str = ""
) -> Caption:
    return Caption("c", 0, text, start, start + RATE if end is None else end, words, cue or None)


def words_of(text: str, start: int, each: int) -> tuple[Word, ...]:
    found = re.finditer(r"\S+", text)
    return tuple(
        Word(m.group(), start + n * each, start + (n + 1) * each, m.start())
        for n, m in enumerate(found)
    )


def read_vtt(written: str) -> list[webvtt.Caption]:
    """By a library, which knows the format's tags, and not its escapes."""
    return list(webvtt.from_string(written, strict=True).captions)


def vtt(*captions: Caption) -> str:
    writer = VttWriter(RATE)
    return writer.head() + "".join(map(writer.push, captions))


def srt(*captions: Caption) -> str:
    writer = SrtWriter(RATE)
    return writer.head() + "".join(map(writer.push, captions))


def test_words_carry_their_times() -> None:
    text = "Hello there,\nyou “two”."
    words = (
        *(Word("Hello", RATE, RATE + 9600, 0), Word("there", RATE + 9600, 2 * RATE, 6)),
        *(Word("you", 2 * RATE, 2 * RATE + 4800, 13), Word("two", 60000, 3 * RATE, 18)),
    )
    assert vtt(caption(text, RATE, words, 3 * RATE)) == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n"
        "Hello <00:00:01.400>there,\n<00:00:02.000>you <00:00:02.500>“two”.\n\n"
    )


def test_subrip_is_plain() -> None:
    words = (Word("Hello", RATE, 2 * RATE, 0),)
    assert srt(caption("Hello.", RATE, words), caption("You\ntwo.", 3600 * RATE)) == (
        "1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n01:00:00,000 --> 01:00:01,000\nYou\ntwo.\n\n"
    )


def test_marks_of_the_format_are_escaped() -> None:
    written = vtt(caption("a <b>&amp; --> c", 0))
    assert "a &lt;b&gt;&amp;amp; --&gt; c" in written
    (read,) = read_vtt(written)
    assert html.unescape(read.text) == "a <b>&amp; --> c"


def test_a_cue_has_its_id_once() -> None:
    written = vtt(
        caption("One", 0, cue="intro --> 1\n2"),
        caption("two.", RATE, cue="intro --> 1\n2"),
        caption("Three.", 2 * RATE, cue="b"),
    )
    assert [c.identifier or "" for c in read_vtt(written)] == ["intro 1 2", "", "b"]


@pytest.mark.parametrize(
    "line", ["a\n\nb", "a\r\n\r\nb", "a\u2028b", "a\x85\x85b", "\n a\n  \nb\n"]
)
def test_no_line_is_empty(line: str) -> None:
    assert "a\nb\n\n" in vtt(caption(line, 0))
    assert "a\nb\n\n" in srt(caption(line, 0))


def test_a_caption_without_length_has_a_little_and_the_next_begins_behind_it() -> None:
    read = read_vtt(vtt(caption("a", 24, end=24), caption("b", 24, end=RATE)))
    assert [(c.start, c.end) for c in read] == [
        ("00:00:00.001", "00:00:00.002"),
        ("00:00:00.002", "00:00:01.000"),
    ]


def test_times_of_words_are_within_their_caption_and_rise() -> None:
    words = (
        Word("a", 0, 0, 0),
        Word("b", 0, 24, 2),
        Word("c", 12, 24, 4),
        Word("d", RATE, RATE, 6),
    )
    assert "\na b <00:00:00.001>c d\n" in vtt(caption("a b c d", 0, words, RATE))


def test_a_word_is_found_where_its_line_was_broken() -> None:
    words = (Word("猫である", 0, RATE, 0), Word("名前", RATE, 2 * RATE, 5))
    written = vtt(caption("猫で\nある。「名前」", 0, words, 2 * RATE))
    assert "猫で\nある。<00:00:01.000>「名前」" in written


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda text: any(c.isalnum() for c in text)
)
_PLAIN = st.from_regex(r"[A-Za-z'’é猫]{1,8}( [A-Za-z,&.!?é猫]{1,8}){0,4}", fullmatch=True)


@given(st.lists(st.tuples(_TEXT, st.integers(0, 9000), st.integers(0, 90_000)), min_size=1))
def test_what_is_written_is_read(lines: list[tuple[str, int, int]]) -> None:
    captions, at = [], 0
    for text, gap, length in lines:
        words = words_of(text, at + gap, length // 8)
        captions.append(caption(text, at + gap, words, at + gap + length))
        at += gap + length
    read = read_vtt(vtt(*captions))
    assert len(read) == len(captions)
    assert all(a.end_time <= b.start_time for a, b in pairwise(read))
    for one, other in zip(read, captions, strict=True):
        assert one.start_time < one.end_time
        text = other.text.replace("\0", "\ufffd")
        assert "".join(html.unescape(one.text).split()) == "".join(text.split())


@given(st.lists(st.tuples(_PLAIN, st.integers(0, 9000), st.integers(24, 90_000)), min_size=1))
def test_subrip_is_read(lines: list[tuple[str, int, int]]) -> None:
    captions, at = [], 0
    for text, gap, length in lines:
        captions.append(caption(text, at + gap, (), at + gap + length))
        at += gap + length
    read = webvtt.from_buffer(io.StringIO(srt(*captions)), format="srt").captions
    assert [c.text for c in read] == [c.text for c in captions]
    assert all(a.end_time <= b.start_time for a, b in pairwise(read))
