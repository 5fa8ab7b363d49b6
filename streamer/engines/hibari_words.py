"""How the embedded voice reads a text: its phonemes, and which word of the text each belongs to.

Knows text and phonemes, neither the network nor sound.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

from hibari.g2p import G2P

from streamer.text.alignment import SpannedText, client_words

# By name, since the package has a function of that name in the module's place.
rules: Any = importlib.import_module("hibari.g2p.normalize")

MOST_PHONEMES = 400
"""Of one utterance; what the voice's own front end allows itself."""
NOBODY = -1
"""Owner of a phoneme that belongs to no word: a space, a mark, a pause."""
_MARKS = frozenset(';:,.!?—…"()“” ')
_CLAUSE_MARKS = frozenset(",;:—.!?…")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Phonemes spoken in one breath. `ids` (n,) for the network, 0 at both ends; `owners` (n,): the
    index of the client's word that each id belongs to, or `NOBODY`."""

    ids: list[int]
    owners: list[int]


@dataclass(frozen=True, slots=True)
class Reading:
    """`words`: (offset, word) as the text has them. No `phrases`: nothing in it can be spoken."""

    words: Sequence[tuple[int, str]]
    phrases: Sequence[Phrase]


class Reader:
    """English text to phonemes. One instance serves all threads: reading changes nothing in it."""

    def __init__(self, g2p: G2P, vocabulary: dict[str, int]) -> None:
        self._g2p = g2p
        self._vocabulary = vocabulary

    def read(self, text: str) -> Reading:
        """The phonemes of a sentence or clause, with their owners."""
        words = client_words(text)
        spoken = normalize(text)
        phonemes: list[str] = []
        owners: list[int] = []
        for token, start, end in self._tokens(spoken.text):
            sounds = [sound for sound in token.phonemes or "" if sound in self._vocabulary]
            phonemes += sounds
            if all(sound in _MARKS for sound in sounds):
                owners += [NOBODY] * len(sounds)
            else:
                owners += _share(len(sounds), _owning(words, *spoken.source(start, end)))
            if token.whitespace:
                phonemes.append(" ")
                owners.append(NOBODY)
        # Times run in the order of the words, so no sound goes back to a word that has been left.
        latest = accumulate(owners, max)
        owners = [
            NOBODY if owner == NOBODY else reached
            for owner, reached in zip(owners, latest, strict=True)
        ]
        phrases = [self._phrase(phonemes[a:b], owners[a:b]) for a, b in _breaths(phonemes)]
        return Reading(words, [phrase for phrase in phrases if phrase is not None])

    def _tokens(self, text: str, base: int = 0) -> Iterator[tuple[Any, int, int]]:
        """hibari's tokens with their place in the text that it was given (`base` is added).

        Tokens follow each other as the text does, and one that ends a run of non-space says so; but some
        are respelled (5'10" is the token 510"): such a one takes what is left of its run.
        """
        try:
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(text))
        except Exception:
            # It stumbles over some signs (\u24fa) and over numbers of 37 digits. The rest is to be heard.
            yield from self._tokens_of_parts(text, base)
            return
        at = 0
        for token in tokens:
            run_end = _space(text, at)
            start = text.find(token.text, at)
            if at <= start <= run_end:
                end = start + len(token.text)
            else:
                start, end = at, run_end
            yield token, base + start, base + end
            at = min(_space(text, end) + 1, len(text)) if token.whitespace else end

    def _tokens_of_parts(self, text: str, base: int) -> Iterator[tuple[Any, int, int]]:
        """Run by run, and a run that can't be read character by character, without those that can't."""
        parts = list(re.finditer(r"\S+", text))
        if len(parts) == 1:
            parts = list(re.finditer(r"\S", text)) if len(text) > 1 else []
        for part in parts:
            for token, start, end in self._tokens(part[0], base + part.start()):
                if end == base + part.end():
                    token.whitespace = " "
                yield token, start, end

    def _phrase(self, phonemes: list[str], owners: list[int]) -> Phrase | None:
        if all(sound in _MARKS for sound in phonemes):
            return None
        ids = [0, *(self._vocabulary[sound] for sound in phonemes), 0]
        return Phrase(ids, [NOBODY, *owners, NOBODY])


def normalize(text: str) -> SpannedText:
    """hibari's own normalisation, with the place in `text` of all that it writes."""
    spoken = SpannedText.of(text)
    for pattern, replacement in _RULES:
        if pattern.search(spoken.text):
            spoken = spoken.sub(pattern, replacement)
    for symbol, word in rules.SYMBOLS.items():
        if symbol in spoken.text:
            # Those of arithmetic are words only between two others.
            between = symbol in "=<>~"
            found = rf"(?<=\S) ?{re.escape(symbol)} ?(?=\S)" if between else re.escape(symbol)
            spoken = spoken.sub(re.compile(found), partial(_constant, f" {word} " if word else " "))
    for pattern, replacement in _LAST_RULES:
        if pattern.search(spoken.text):
            spoken = spoken.sub(pattern, replacement)
    whole = str(rules.normalize(text))
    if spoken.text != whole:
        # Another version's rules: what it says counts, the places are found by comparing the words.
        spoken = SpannedText.of(text).sub(re.compile(r"(?s).+"), partial(_constant, whole))
    return spoken


def _space(text: str, at: int) -> int:
    """Where the run of non-space that begins at `at` ends."""
    found = text.find(" ", at)
    return len(text) if found < 0 else found


def _constant(replacement: str, _: re.Match[str]) -> str:
    return replacement


def _cents(match: re.Match[str]) -> str:
    return f"{match[1]} {rules._plural(match[1], rules.CURRENCY_WORDS['¢'])}"


def _title(match: re.Match[str]) -> str:
    return f"{rules.TITLES[match[1]]} "


def _abbreviation(match: re.Match[str]) -> str:
    ends_sentence = match.end() == len(match.string) and match[1].endswith(".")
    return f"{rules.ABBREV[match[1]]}{'.' if ends_sentence else ''}"


def _number_sign(match: re.Match[str]) -> str:
    return "Number " if match[1] == "No" else "Numbers "


def _roman_cardinal(match: re.Match[str]) -> str:
    return f"{match[1]} {rules._roman(match[2])}"


def _roman_ordinal(match: re.Match[str]) -> str:
    return f"{match[1]} the {rules.N.ordinal(rules._roman(match[2]))}"


def _telephone(match: re.Match[str]) -> str:
    return " ".join(match[0].replace("-", ", "))


def _range(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}"


_ENDS = re.compile(r"^ +| +$")
_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (rules.RE_WS, " "),
    (_ENDS, ""),
    (re.compile("\u2019"), "'"),
    (re.compile("\u2012"), "-"),
    (re.compile("\u2015"), "\u2014"),
    (rules.RE_TIME, rules._time),
    (rules.RE_DATE_ISO, rules._date_iso),
    (rules.RE_DATE_US, rules._date_us),
    (rules.RE_BIG_MONEY, rules._big_money),
    (rules.RE_CENTS, _cents),
    (rules.RE_CURRENCY, rules._currency),
    (rules.RE_DEG, rules._deg),
    (rules.RE_UNIT, rules._unit),
    (rules.RE_MONTH_DAY, rules._month_day),
    (rules.RE_DAY_MONTH, rules._day_month),
    (rules.RE_TITLE, _title),
    (rules.RE_ABBREV, _abbreviation),
    (rules.RE_NO, _number_sign),
    (rules.RE_HASH, "number "),
    (rules.RE_ROMAN_C, _roman_cardinal),
    (rules.RE_ROMAN_O, _roman_ordinal),
    (rules.RE_PHONE, _telephone),
    (rules.RE_FRACTION, rules._fraction),
    (rules.RE_RANGE, _range),
    (rules.RE_PLUS, "plus "),
)
"""What hibari's `normalize` does, in its order, with its patterns and tables."""
_LAST_RULES = ((rules.RE_WS, " "), (rules.RE_SPACE_PUNCT, r"\1"), (_ENDS, ""))


def _owning(words: Sequence[tuple[int, str]], start: int, end: int) -> list[tuple[int, int]]:
    """(index, how many characters they share) of the words in that span of the text; where there is
    none, of the one that it touches: the 5 of "+5" also owns "plus"."""
    shared = [
        (index, min(end, offset + len(word)) - max(start, offset))
        for index, (offset, word) in enumerate(words)
    ]
    inside = [(index, size) for index, size in shared if size > 0]
    return inside or [(index, 1) for index, size in shared if size == 0][:1]


def _share(count: int, owning: list[tuple[int, int]]) -> list[int]:
    """The owner of each of `count` phonemes, in the order of the words, by their length."""
    if not owning:
        return [NOBODY] * count
    total = sum(size for _, size in owning)
    owners: list[int] = []
    reached = 0
    for index, size in owning:
        reached += size
        owners += [index] * (round(count * reached / total) - len(owners))
    return owners


def _breaths(phonemes: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where to cut so that no part is longer than an utterance may be: after the last clause mark that
    fits, else at the last space, else anywhere."""
    start = 0
    while len(phonemes) - start > MOST_PHONEMES:
        fits = range(start + MOST_PHONEMES, start, -1)
        marks = (end for end in fits if phonemes[end - 1] in _CLAUSE_MARKS)
        spaces = (end for end in fits if phonemes[end - 1] == " ")
        end = next(marks, None) or next(spaces, fits.start)
        yield start, end
        start = end
    yield start, len(phonemes)
