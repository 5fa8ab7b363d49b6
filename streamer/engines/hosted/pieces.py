"""A text over a provider's limit, in pieces that can be spoken one after the other."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"(?:(?<![.!?…])[.!?…]+[\"'”’)\]»]*(?=\s)|[。！？]+[」』”’）]*|\n+)")
_CLAUSE = re.compile(r"(?:[,;:—–](?=\s)|[，、；：])")
_SPACE = re.compile(r"\s+")


def pieces(text: str, limit: int) -> list[str]:
    """The text in pieces of at most `limit` code points (0: any number), cut behind sentences, else behind
    clauses, else between words, else anywhere. Together they are the text, and none is empty."""
    if not limit or len(text) <= limit:
        return [text] if text else []
    found = []
    while len(text) > limit:
        at = _cut(text, limit)
        found.append(text[:at])
        text = text[at:]
    return [*found, text]


def _cut(text: str, limit: int) -> int:
    """Where the first piece ends: as far as may be, but a whole sentence goes before a fuller piece."""
    # One character more: a mark at the very limit counts if a space follows.
    head = text[: limit + 1]
    for mark in (_SENTENCE, _CLAUSE, _SPACE):
        ends = [found.end() for found in mark.finditer(head) if found.end() <= limit]
        # A piece of a word or two would sound cut off; then the next kind of mark is better.
        if ends and ends[-1] >= limit // 4 and text[: ends[-1]].strip():
            return ends[-1]
    return limit
