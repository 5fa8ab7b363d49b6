"""Every character knows where it came from; words are those a listener counts; guessed times are sane."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.text.alignment import SpannedText, client_words, estimate


def sources(spanned: SpannedText, text: str) -> list[tuple[str, str]]:
    """Each word that is said with what it stands for in the source."""
    words = [found.span() for found in re.finditer(r"\S+", spanned.text)]
    return [(spanned.text[a:b], text[slice(*spanned.source(a, b))]) for a, b in words]


def test_unchanged_text_is_its_own_source() -> None:
    spanned = SpannedText.of("Hello world")
    assert spanned.source(6, 11) == (6, 11)
    assert spanned.sub("xyz", "") is spanned


def test_a_replaced_word_stands_for_the_word_it_replaced() -> None:
    text = "Ask Dr. Smith now."
    spanned = SpannedText.of(text).sub(r"Dr\.", "Doctor")
    assert spanned.text == "Ask Doctor Smith now."
    assert sources(spanned, text) == [
        ("Ask", "Ask"),
        ("Doctor", "Dr."),
        ("Smith", "Smith"),
        ("now.", "now."),
    ]


def test_a_replaced_block_is_refined_word_by_word() -> None:
    text = "Dr. Smith paid $5 at 7:30 p.m. today."
    said = "doctor smith paid five dollars at seven thirty PM today"
    spanned = SpannedText.of(text).sub(r"(?s).+", lambda _: said)
    assert sources(spanned, text) == [
        ("doctor", "Dr."),
        ("smith", "Smith"),
        ("paid", "paid"),
        ("five", "$5"),
        ("dollars", "$5"),
        ("at", "at"),
        ("seven", "7:30"),
        ("thirty", "7:30"),
        ("PM", "p.m."),
        ("today", "today."),
    ]


def test_an_added_word_stands_for_its_neighbour() -> None:
    text = "open it"
    after = SpannedText.of(text).sub(".+", "open it now")
    assert sources(after, text)[-1] == ("now", "it")
    before = SpannedText.of(text).sub(".+", "please open it")
    assert sources(before, text)[0] == ("please", "open")


def test_spans_survive_one_change_after_another() -> None:
    text = "**5th** Ave."
    spanned = SpannedText.of(text).sub(r"\*", "").sub("5th", "fifth").sub(r"Ave\.", "Avenue")
    assert spanned.text == "fifth Avenue"
    assert sources(spanned, text) == [("fifth", "5th"), ("Avenue", "Ave.")]


def test_a_template_names_groups() -> None:
    spanned = SpannedText.of("a [b](c) d").sub(r"\[(\w)\]\(\w\)", r"\1")
    assert spanned.text == "a b d"
    assert spanned.source(2, 3) == (3, 4)


def test_slices_and_strip_keep_the_source() -> None:
    spanned = SpannedText.of("  **hi** you ").sub(r"\*\*", "")
    assert spanned.strip().text == "hi you"
    assert spanned.strip().source(0, 2) == (4, 6)
    assert spanned[2:4].source(0, 2) == (4, 6)
    assert spanned[:] is spanned
    assert len(spanned[5:2]) == 0
    with pytest.raises(ValueError, match="steps of 1"):
        spanned[::2]


def test_an_empty_span_is_a_point_and_a_wrong_one_an_error() -> None:
    spanned = SpannedText.of("abc").sub("b", "")
    assert spanned.source(1, 1) == (2, 2)
    assert spanned.source(2, 2) == (3, 3)
    with pytest.raises(ValueError, match="no span"):
        spanned.source(0, 9)


@given(
    text=st.text(alphabet="ab .*1", max_size=30),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["a", r"\*+", r"b+", r"\s+", "1", "(?s).+", r"a(b?)", ""]),
            st.sampled_from(["", "x", "x y", "a b", " ", "one a b."]),
        ),
        max_size=4,
    ),
)
def test_sub_says_what_re_sub_says_and_spans_never_run_backwards(
    text: str, steps: list[tuple[str, str]]
) -> None:
    spanned, plain = SpannedText.of(text), text
    for pattern, repl in steps:
        spanned, plain = spanned.sub(pattern, repl), re.sub(pattern, repl, plain)
        assert spanned.text == plain
    last = 0
    for i in range(len(plain)):
        start, end = spanned.source(i, i + 1)
        assert last <= start <= end <= len(text)
        last = start


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It costs $1,234.50, isn't it?", ["It", "costs", "$1,234.50", "isn't", "it"]),
        ("At 7:30 p.m. — yes & no, 50%.", ["At", "7:30", "p.m.", "yes", "&", "no", "50%"]),
        ('He said: "Well... (maybe)!"', ["He", "said", "Well", "maybe"]),
        ("see the **bold** and `code`", ["see", "the", "bold", "and", "code"]),
        ("[the docs](https://x.y/z) ![alt](u.png)", ["the", "docs", "alt"]),
        ("<b>bold</b> text<br>next", ["bold", "text", "next"]),
        ("end-to-end and/or C++ C# #5", ["end-to-end", "and/or", "C++", "C#", "#5"]),
        ("word—word one...two", ["word", "word", "one", "two"]),
        ("-5 or .5 or +3", ["-5", "or", ".5", "or", "+3"]),
        ("a.b@x.co https://x.co/a_b?c=1.", ["a.b@x.co", "https://x.co/a_b?c=1"]),
        ("the U.S. and e.g. this.", ["the", "U.S.", "and", "e.g.", "this"]),
        ("don't 'quote' it’s", ["don't", "quote", "it’s"]),
        ("今天3点见。Hello世界", ["今", "天", "3", "点", "见", "Hello", "世", "界"]),
        ("안녕하세요 저는", ["안녕하세요", "저는"]),
        ("😊 * | - … 。", []),
        ("", []),
    ],
)
def test_words_are_those_a_listener_counts(text: str, words: list[str]) -> None:
    assert [word for _, word in client_words(text)] == words


@given(st.text(max_size=60) | st.text(alphabet="ab1.,'\"-$&[]()<>*_ —今", max_size=40))
def test_words_quote_the_text_in_order(text: str) -> None:
    end = 0
    for offset, word in client_words(text):
        assert word
        assert offset >= end
        assert text[offset : offset + len(word)] == word
        end = offset + len(word)


@given(st.text(alphabet="abc AB1.,! 今\n", max_size=60), st.integers(0, 100_000))
def test_estimated_words_follow_each_other_and_end_with_the_sound(text: str, samples: int) -> None:
    words = estimate(text, samples)
    assert [(word.offset, word.text) for word in words] == client_words(text)
    at = 0
    for word in words:
        assert at <= word.start <= word.end
        at = word.end
    assert at <= samples


def test_estimated_words_end_with_the_sound_and_pause_at_marks() -> None:
    words = estimate("Hello, extraordinary world", 48000)
    assert words[-1].end == 48000
    assert words[1].start > words[0].end
    assert words[1].end - words[1].start > 2 * (words[2].end - words[2].start)
