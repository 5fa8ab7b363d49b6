"""A client's readings replace whole words, and bad ones are refused by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from streamer.errors import InvalidParameter
from streamer.text.alignment import SpannedText
from streamer.text.lexicon import MAX_CHARACTERS, MAX_ENTRIES, Lexicon


def said(entries: Mapping[str, str], text: str) -> str:
    return Lexicon(entries).apply(SpannedText.of(text)).text


@pytest.mark.parametrize(
    ("entries", "text", "reading"),
    [
        ({"nginx": "engine x"}, "Nginx, NGINX and nginx.", "engine x, engine x and engine x."),
        ({"SQL": "sequel"}, "SQL but not sql or MySQL", "sequel but not sql or MySQL"),
        ({"Ann": "Anna"}, "ann and Ann, not Annie", "Anna and Anna, not Annie"),
        ({"new york": "the city", "new": "old"}, "New  York is new", "the city is old"),
        ({"C++": "see plus plus"}, "C++, or C++.", "see plus plus, or see plus plus."),
        ({".NET": "dot net"}, "use .NET now", "use dot net now"),
        ({"SQL": "sequel", "sql": "s q l"}, "SQL sql", "sequel s q l"),
        ({}, "as it is", "as it is"),
        ({"a": "b", "b": "a"}, "a b", "b a"),
    ],
)
def test_whole_words_are_replaced(entries: dict[str, str], text: str, reading: str) -> None:
    assert said(entries, text) == reading


def test_a_reading_stands_for_the_word_it_replaced() -> None:
    spanned = Lexicon({"nginx": "engine x"}).apply(SpannedText.of("use nginx now"))
    assert spanned.source(4, 12) == (4, 9)
    assert spanned.source(4, 10) == (4, 9)


def test_no_reading_builds_engine_markup() -> None:
    assert said({"x": "[hi](/haɪ/)"}, "say x") == "say hi"
    assert "[" not in said({"x": "[hi]"}, "x(/haɪ/)")


@pytest.mark.parametrize(
    "entries",
    [
        {"": "x"},
        {"!": "x"},
        {"x": ""},
        {"x": " "},
        {"x": "..."},
        {"x" * (MAX_CHARACTERS + 1): "x"},
        {"x": "x" * (MAX_CHARACTERS + 1)},
        {"x": 5},
        {str(n): "x" for n in range(MAX_ENTRIES + 1)},
    ],
)
def test_a_bad_entry_is_refused_by_name(entries: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Lexicon(entries)
    assert caught.value.param == "lexicon"
