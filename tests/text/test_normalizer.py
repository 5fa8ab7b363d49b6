"""What is for the eye only isn't spoken, no word is lost or merged, and spans are kept."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.text.alignment import client_words
from streamer.text.normalizer import for_ear

HIBARI_LINK = re.compile(r"\[([^\]]+)\]\(([^\)]*)\)")
"""What the embedded voice takes for phonemes."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("**bold**, *it*, _it_, ***both*** and ~~old~~", "bold, it, it, both and old"),
        ("Run `pip install x` now.", "Run pip install x now."),
        ("# Heading one", "Heading one"),
        ("### A ## B", "A ## B"),
        ("> quoted\n> > twice", "quoted\ntwice"),
        ("- one\n* two\n+ three\n• four\n- [x] done", "one\ntwo\nthree\nfour\ndone"),
        ("1. first\n2) second", "1. first\n2) second"),
        ("See [the docs](https://x.y/a_b) here.", "See the docs here."),
        ("See [the docs][ref] here.[^1]", "See the docs here."),
        ("![a chart](c.png) shows it", "a chart shows it"),
        ("[![logo](a.png)](http://b) ok", "logo ok"),
        ("[hi](/haɪ/) there", "hi there"),
        ("[a[b](/x/)](/y/)", "a b"),
        (r"\[a\](/y/)", "a"),
        ("<b>bold</b><br>next", "bold next"),
        ("<https://x.com/a_b> ok", "https://x.com/a_b ok"),
        ("5 < 6 and 7 > 4", "5 < 6 and 7 > 4"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("Home | About", "Home, About"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("---", ""),
        ("* * *", ""),
        (
            "open https://x.com/a_b*c?d=_e_f or a_b@c.de",
            "open https://x.com/a_b*c?d=_e_f or a_b@c.de",
        ),
        ("**https://x.com/a_b** is bold", "https://x.com/a_b is bold"),
        ("the user_id and __init__", "the user id and init"),
        ("2 * 3, 2*3", "2 * 3, 2*3"),
        ("C# and #5 and #tag", "C# and #5 and #tag"),
        ("Great 😊 yes! 👍🏽", "Great yes!"),
        ("Hello 😊.", "Hello."),
        ("one😊two", "one two"),
        ("1️⃣ first", "1 first"),
        ("family 👨‍👩‍👧 flag 🇩🇪 end", "family flag end"),
        ("😊 🎉", "😊 🎉"),
        ("zero\u200bwidth so\u00adft a\ufeffb", "zero width soft ab"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("𝗯𝗼𝗹𝗱 Ｈｅｌｌｏ", "bold Hello"),
        ("**Note:**save", "Note: save"),
        ("one**two**three", "one two three"),
        ("**left **open", "left open"),
        ("ends with *", "ends with"),
        ("bell\x07 and\x00nul", "bell and nul"),
    ],
)
def test_marks_for_the_eye_are_not_spoken(text: str, said: str) -> None:
    assert for_ear(text).text == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, world! It's 7:30 p.m. (really) and $1,234.50 — 50% off; a/b, don't.",
        "“Quoted” ‘text’ with naïve café…",
        "今天天气很好。",
        "He said - twice - no.",
        "x-ray end-to-end -5",
    ],
)
def test_plain_text_is_returned_as_it_is(text: str) -> None:
    spanned = for_ear(text)
    assert spanned.text == text
    assert spanned.source(0, len(text)) == (0, len(text))


def test_spans_are_kept() -> None:
    text = "- **Bold** see [the docs](https://x.y) 😊 `now`"
    spanned = for_ear(text)
    assert spanned.text == "Bold see the docs now"
    said = client_words(spanned.text)
    quoted = [text[slice(*spanned.source(o, o + len(w)))] for o, w in said]
    assert quoted == ["Bold", "see", "the", "docs", "now"]


def test_the_words_of_a_link_are_told_apart() -> None:
    text = "see [the long docs](https://x.y/the) now"
    spanned = for_ear(text)
    begin, end = spanned.source(13, 17)
    assert spanned.text[8:12] == "long"
    assert (begin, end) != spanned.source(8, 12)


PIECES = (
    "word |two |x|5|**|*|_|__|`|```|[|]|(|)|](|](/x/)|<b>|</b>|<|>|#|# |- |\n|😊|~~|\\|&amp;|\u200b"
    "|.|, |!|![| |---|\u20e3|http://a_b.c |a_b@c.de |Ａ"
)
markup = st.lists(st.sampled_from([*PIECES.split("|"), "|", "|-"]), max_size=25).map("".join)


@settings(max_examples=400)
@given(markup | st.text(max_size=60))
def test_no_engine_markup_comes_out_and_spans_stay_in_order(text: str) -> None:
    spanned = for_ear(text)
    assert not HIBARI_LINK.search(spanned.text)
    last = 0
    for i in range(len(spanned.text)):
        start, end = spanned.source(i, i + 1)
        assert last <= start <= end <= len(text)
        last = start


marks = st.sampled_from(["**", "*", "_", "`", "~~", " ", "\n", "😊", "\u200b", "<b>", "</i>", "|"])


@given(st.lists(st.tuples(st.sampled_from(string.ascii_lowercase), marks), min_size=1, max_size=20))
def test_no_two_words_are_merged_and_none_is_lost(pairs: list[tuple[str, str]]) -> None:
    text = "".join(letter * 2 + mark for letter, mark in pairs)
    said = re.findall(r"[a-z]+", for_ear(text).text)
    assert said == [letter * 2 for letter, _ in pairs]


@pytest.mark.parametrize("unit", ["-", "|-", "[", "](", "*_", "<a ", "> ", " |", "# ", "!["])
def test_long_runs_of_marks_take_no_exponential_time(unit: str) -> None:
    assert isinstance(for_ear(unit * 300 + "x").text, str)


def test_a_word_of_a_link_stands_for_the_word_alone() -> None:
    text = "Please [see the docs](https://x.org/a), **bold** and `code`."
    spoken = for_ear(text)
    quoted = [
        text[slice(*spoken.source(at, at + len(word)))] for at, word in client_words(spoken.text)
    ]
    assert quoted == ["Please", "see", "the", "docs", "bold", "and", "code"]
