"""The language tables are sound, and a language is found by its tag."""

from __future__ import annotations

import dataclasses

import pytest

from streamer.text.rules import RULES, rules_for
from streamer.text.rules.base import PLAIN
from streamer.text.rules.english import ENGLISH

TABLES = [field.name for field in dataclasses.fields(ENGLISH)]


def test_a_language_is_found_by_its_primary_tag() -> None:
    assert rules_for("en-GB") is ENGLISH
    assert rules_for("EN") is ENGLISH
    assert rules_for("auto") is ENGLISH
    assert rules_for("de-AT") is RULES.get("de", PLAIN)
    assert rules_for("xx") is PLAIN


@pytest.mark.parametrize("table", TABLES)
def test_entries_are_written_without_their_last_full_stop(table: str) -> None:
    for word in getattr(ENGLISH, table):
        assert not word.endswith(".")
        assert word == word.strip()


@pytest.mark.parametrize("table", ["starters", "leading", "fronted", "after_clock", "exclaimed"])
def test_words_are_in_lower_case(table: str) -> None:
    assert all(word == word.lower() for word in getattr(ENGLISH, table))


def test_no_abbreviation_is_in_two_tables() -> None:
    tables = [ENGLISH.titles, ENGLISH.inner, ENGLISH.endable, ENGLISH.closing, ENGLISH.clock]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))


def test_case_matters_where_an_abbreviation_is_also_a_word() -> None:
    assert ENGLISH.abbreviates("Sat")
    assert not ENGLISH.abbreviates("sat")
    assert ENGLISH.abbreviates("inc")
    assert ENGLISH.abbreviates("Inc")
    assert ENGLISH.is_inner("e.g")
    assert not ENGLISH.is_inner("IE")
