"""What captions say about sounds: "[music]", "(laughs)", "♪ la la ♪"."""

from __future__ import annotations

import re
from collections.abc import Callable

_NOTE = "♪♫♬♩"
_SUNG = re.compile(rf"[{_NOTE}]+[^{_NOTE}]*(?:[{_NOTE}]+|\Z)")
_NOTES = re.compile(rf"[{_NOTE}]+")
_SQUARE = re.compile(r"\[([^\[\]]*)\]|［([^［］]*)］|【([^【】]*)】")
_ROUND = re.compile(r"^[ \t]*(?:\(([^()]*)\)|（([^（）]*)）)[ \t]*$", re.MULTILINE)
"""All of one or more lines."""
_LEADING = re.compile(r"(?:\(([^()]*)\)|（([^（）]*)）)\s*")
_TRAILING = re.compile(r"\s*(?:\(([^()]*)\)|（([^（）]*)）)$")
_STARS = re.compile(r"^\*([^*\n]+)\*$", re.MULTILINE)
_MOST_WORDS = 4
"""Parentheses at the end of spoken words are an aside of the speaker where there is more in them."""


def without_sounds(text: str, *, keep: bool, known: Callable[[str], bool]) -> str:
    """A text, in lines, without its descriptions of sounds; `keep`: without their marks only. A name in
    brackets that is `known` becomes "name:"."""

    def marked(found: re.Match[str]) -> str:
        inner = next(part for part in found.groups() if part is not None).strip()
        if known(inner) and "\n" not in inner:
            return f"\n{inner}: "
        return f" {inner} " if keep else " "

    text = _NOTES.sub(" ", text) if keep else _SUNG.sub(" ", text)
    for pattern in (_SQUARE, _ROUND, _STARS):
        text = pattern.sub(marked, text)
    return text


def without_asides(line: str, *, keep: bool, known: Callable[[str], bool]) -> str:
    """One speaker's words without "(laughs)" before or behind them; a name before them becomes "name:"."""
    if not line.endswith((")", "）")) and not line.startswith(("(", "（")):
        return line
    while (found := _LEADING.match(line)) and _short(found):
        if known(_inner(found)):
            return f"{_inner(found)}: {line[found.end() :]}"
        line = (_inner(found) + " " if keep else "") + line[found.end() :]
    if (found := _last(line)) and _short(found):
        line = line[: found.start()] + (" " + _inner(found) if keep else "")
    return line


def _last(line: str) -> re.Match[str] | None:
    """The parentheses that end a line."""
    start = max(line.rfind("("), line.rfind("（"))
    return _TRAILING.match(line, start) if start >= 0 else None


def _inner(found: re.Match[str]) -> str:
    return (found[1] or found[2] or "").strip()


def _short(found: re.Match[str]) -> bool:
    inner = _inner(found)
    return len(inner.split()) <= _MOST_WORDS and not any(map(str.isdigit, inner))
