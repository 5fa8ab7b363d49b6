"""Comparing what was written with what was heard: plain words, word errors, which word is which. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = {
    "first": "1st", "second": "2nd", "third": "3rd", "fifth": "5th", "eighth": "8th",
    "ninth": "9th", "twelfth": "12th",
}  # fmt: skip
_SPELLINGS = {
    "neighbor": "neighbour", "neighbors": "neighbours", "dr": "doctor", "mr": "mister",
    "okay": "ok", "grey": "gray", "p.m": "pm", "a.m": "am",
}  # fmt: skip


def _cardinal(number: int) -> list[str]:
    """0 to 999,999 in words."""
    if number < 20:
        return [_ONES[number]]
    if number < 100:
        return [_TENS[number // 10 - 2], *(_cardinal(number % 10) if number % 10 else [])]
    if number < 1000:
        rest = _cardinal(number % 100) if number % 100 else []
        return [_ONES[number // 100], "hundred", *rest]
    rest = _cardinal(number % 1000) if number % 1000 else []
    return [*_cardinal(number // 1000), "thousand", *rest]


def _spoken_digits(word: str) -> list[str]:
    """Words of a token that holds digits; a year is read by its halves."""
    digits = word.replace(",", "")
    if re.fullmatch(r"1[1-9]\d\d|20[1-9]\d", word):
        return _cardinal(int(digits[:2])) + _cardinal(int(digits[2:]))
    spoken: list[str] = []
    for part in re.findall(r"\d+|[a-z]+|\.(?=\d)", digits):
        if part == ".":
            spoken.append("point")
        elif part.isdigit():
            spoken += _cardinal(int(part)) if int(part) < 10**6 else list(part)
        elif part not in ("st", "nd", "rd", "th"):
            spoken.append(part)
    return spoken


def plain_words(text: str) -> list[str]:
    """The words as they sound, so that spelling is no error: lower case, no punctuation, numbers,
    money and times in words, British spelling."""
    text = text.lower().replace("’", "'").replace("-", " ").replace("—", " ")
    text = re.sub(r"\$([\d,]+)\.(\d\d)\b", r"\1 dollars and \2 cents", text)
    text = re.sub(r"\$([\d,]+)", r"\1 dollars", text)
    text = re.sub(r"\b(\d{1,2}):00\b", r"\1", text)
    text = re.sub(r"\b(\d{1,2})[:.](\d\d)(?=\s?[ap]\.?m|\b(?!\d))", r"\1 \2", text)
    text = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", text)
    words: list[str] = []
    for token in text.split():
        word = token.strip(".,;:!?\"'()[]…").replace("'", "")
        word = _ORDINALS.get(word, word)
        if any(c.isdigit() for c in word):
            words += _spoken_digits(word)
        elif word:
            words.append(_SPELLINGS.get(word, word))
    return words


def bare_words(text: str) -> list[str]:
    """Lower case and no punctuation, and nothing else made equal: for the raw error rate."""
    return [w for w in (t.strip(".,;:!?\"'()…").lower() for t in text.split()) if w]


def word_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Substitutions, deletions and insertions (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            change = diagonal + (word != other)
            diagonal, row[j] = row[j], min(change, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def same_words(reference: Sequence[str], heard: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices of words that are equal as they sound, in order."""
    ours, theirs = ([" ".join(plain_words(word)) for word in words] for words in (reference, heard))
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    return [
        (block.a + step, block.b + step)
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
