"""A client's own readings of words ("SQL": "sequel"), put in place before synthesis, spans kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

from streamer.errors import InvalidParameter
from streamer.text.alignment import SpannedText
from streamer.text.normalizer import for_ear

MAX_ENTRIES = 1000
MAX_CHARACTERS = 200
"""Of one entry, written or spoken."""

_WORD_CHARACTER = re.compile(r"\w")
_BRACKETS = re.compile(r"[\[\]]")


class Lexicon:
    """Readings of whole words or phrases. A key with a capital after its first letter ("SQL",
    "McKay") is meant as it is written, any other in every case. The longest key goes first."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        """Raises `InvalidParameter` (param "lexicon") on an empty, overlong or wordless entry."""
        if len(entries) > MAX_ENTRIES:
            raise _bad(f"more than {MAX_ENTRIES} entries")
        self._exact: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for written, spoken in entries.items():
            _check(written, spoken)
            # No reading may build an engine's own markup, alone or with the text around it.
            said = _BRACKETS.sub(" ", for_ear(spoken).text).strip()
            key = " ".join(written.split())
            if any(c.isupper() for c in key[1:]):
                self._exact[key] = said
            else:
                self._folded[key.lower()] = said
        self._pattern = _pattern([*self._exact, *self._folded])
        self._begun = _begun([*self._exact, *self._folded])

    def apply(self, text: SpannedText) -> SpannedText:
        """The text with every word of the lexicon replaced by its reading."""
        return text.sub(self._pattern, self._reading) if self._pattern else text

    def settled(self, text: str) -> int:
        """How much of a text that may go on, behind whitespace, no more of it changes: what stands there is
        replaced, or not, whatever comes."""
        if self._pattern is None:
            return len(text)
        begun = self._begun.search(text) if self._begun else None
        end = begun.start() if begun else len(text)
        for match in self._pattern.finditer(text, 0):
            if match.start() < end < match.end():
                return match.start()
        return end

    def __bool__(self) -> bool:
        return self._pattern is not None

    def _reading(self, match: re.Match[str]) -> str:
        found = " ".join(match[0].split())
        exact = self._exact.get(found)
        return exact if exact is not None else self._folded.get(found.lower(), match[0])


def _check(written: object, spoken: object) -> None:
    if not isinstance(written, str) or not isinstance(spoken, str):
        raise _bad("entries map text to text")
    if not _WORD_CHARACTER.search(written):
        raise _bad(f"{written!r} has no letter or digit")
    if not _WORD_CHARACTER.search(spoken):
        raise _bad(f"{written!r} has no reading")
    if len(written) > MAX_CHARACTERS or len(spoken) > MAX_CHARACTERS:
        raise _bad(f"{written[:20]!r} is longer than {MAX_CHARACTERS} characters")


def _bad(why: str) -> InvalidParameter:
    return InvalidParameter(f"lexicon: {why}", param="lexicon")


def _pattern(keys: list[str]) -> re.Pattern[str] | None:
    """All keys as whole words, in any case, longest first; None without keys."""
    if not keys:
        return None
    alternatives = []
    for key in sorted(keys, key=len, reverse=True):
        begin = r"(?<!\w)" if _WORD_CHARACTER.match(key[0]) else ""
        end = r"(?!\w)" if _WORD_CHARACTER.match(key[-1]) else ""
        inner = r"\s+".join(re.escape(part) for part in key.split())
        alternatives.append(f"{begin}{inner}{end}")
    return re.compile("|".join(alternatives), re.IGNORECASE)


def _begun(keys: list[str]) -> re.Pattern[str] | None:
    """The first words of any key of several, at the end of a text; None if there are none."""
    alternatives = []
    for key in keys:
        first, *others = (re.escape(part) for part in key.split())
        inner = ""
        for part in reversed(others[:-1]):
            inner = rf"(?:\s+{part}{inner})?"
        if others:
            begin = r"(?<!\w)" if _WORD_CHARACTER.match(key[0]) else ""
            alternatives.append(f"{begin}{first}{inner}")
    return (
        re.compile(rf"(?:{'|'.join(alternatives)})\s*\Z", re.IGNORECASE) if alternatives else None
    )
