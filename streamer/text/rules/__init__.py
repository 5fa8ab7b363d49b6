"""Which words of a language take a full stop without ending a sentence: one row per language.

A language without a row is cut by its terminal marks alone.
"""

from __future__ import annotations

from streamer.text.rules.base import PLAIN, Rules
from streamer.text.rules.english import ENGLISH

RULES: dict[str, Rules] = {
    "en": ENGLISH,
}

__all__ = ["RULES", "Rules", "rules_for"]


def rules_for(language: str) -> Rules:
    """The rules of a BCP 47 tag; "auto" reads English, the language of most text without a tag."""
    if language == "auto":
        return ENGLISH
    return RULES.get(language.lower().partition("-")[0], PLAIN)
