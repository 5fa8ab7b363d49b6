"""Letters are told apart by script."""

from __future__ import annotations

import re
import unicodedata

import pytest

from streamer.text.scripts import RANGES, SCRIPTS, first_foreign, primary


@pytest.mark.parametrize("script", RANGES)
def test_a_letter_is_of_one_script_only(script: str) -> None:
    own = re.compile(f"[{RANGES[script]}]")
    others = re.compile("[" + "".join(RANGES[name] for name in RANGES if name != script) + "]")
    shared = [hex(c) for c in range(0x110000) if own.match(chr(c)) and others.match(chr(c))]
    assert shared == []


NAMES = {
    "latin": "LATIN ",
    "greek": "GREEK ",
    "cyrillic": "CYRILLIC ",
    "hebrew": "HEBREW ",
    "arabic": "ARABIC ",
    "devanagari": "DEVANAGARI ",
    "thai": "THAI ",
    "hangul": "HANGUL ",
    "han": "CJK UNIFIED IDEOGRAPH",
}


@pytest.mark.parametrize("script", NAMES)
def test_ranges_hold_the_letters_that_unicode_names_so(script: str) -> None:
    own = re.compile(f"[{RANGES[script]}]")
    letters = [
        chr(c)
        for c in range(0x30000)
        if unicodedata.category(chr(c)) in ("Lu", "Ll", "Lo")
        and unicodedata.name(chr(c), "").startswith(NAMES[script])
        and "MATHEMATICAL" not in unicodedata.name(chr(c))
    ]
    missing = [letter for letter in letters if not own.match(letter)]
    # Letters of historic and transcription blocks may be missing; those of living languages not.
    assert len(missing) <= 0.1 * len(letters), missing


def test_every_language_has_known_scripts() -> None:
    assert {name for names in SCRIPTS.values() for name in names} <= set(RANGES)


def test_the_first_foreign_letter_is_found() -> None:
    assert first_foreign("abc где", ("en",)) == 4
    assert first_foreign("где abc", ("ru",)) is None
    assert first_foreign("5 abc", ("ru",)) == 2
    assert first_foreign("abc", ("ru", "en")) is None


def test_the_primary_language_of_a_tag() -> None:
    assert primary("en-US") == "en"
    assert primary("ZH_Hant") == "zh"
