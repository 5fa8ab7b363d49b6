"""What is between angle brackets in a cue: who speaks, what is not spoken, what only says how it looks."""

from __future__ import annotations

import html
import re

_TAG = re.compile(
    r"<(?:(?P<time>\d[\d:.,]*+)|(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+)(?P<rest>[^<>]*+))>"
)
"""A tag of WebVTT, or one of those that SRT borrows from HTML. "<3" and "a < b" are text. It can't hold
another "<" and nothing in it is tried twice, so that looking for one is linear."""
_VOICE = re.compile(r"(?:\.[^\s.]*)*[ \t\n]+(.*)", re.DOTALL)
_STYLE = re.compile(r"\{\\[^{}]*\}|\{[yYcCfFsSpP]:[^{}]*\}")
"""Codes of ASS and MicroDVD that some put into SRT: "{\\an8}"."""
_NUMBER = re.compile(r"&#x?[0-9a-fA-F]{9,};?")
"""No character has so long a number, and Python refuses to read some of them."""
_UNHEARD = re.compile(r"[\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
"""Marks of direction and of where a line may break; halves of a character."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\xa0 \t]+")
_RUBY = "rt"


def voices(text: str) -> list[tuple[str | None, str]]:
    """Who says what, in order: the name of `<v Name>` (None outside of one), and plain text in lines.

    Of ruby the base is spoken, not the reading above it.
    """
    found: list[tuple[str | None, str]] = []
    who: str | None = None
    said: list[str] = []
    reading = False
    position = 0
    for tag in _TAG.finditer(text):
        if not reading:
            said.append(text[position : tag.start()])
        position = tag.end()
        name, end = (tag["name"] or "").lower(), bool(tag["end"])
        if name == _RUBY or (name == "ruby" and end):
            reading = name == _RUBY and not end
        elif name == "br":
            said.append("\n")
        elif name == "v":
            found.append((who, _plain("".join(said))))
            said = []
            spoken = None if end else _VOICE.fullmatch(tag["rest"])
            who = _plain(spoken[1]).replace("\n", " ").strip() or None if spoken else None
    if not reading:
        said.append(text[position:])
    found.append((who, _plain("".join(said))))
    return [(who, text) for who, text in found if text]


def _plain(text: str) -> str:
    """Entities as what they stand for, white space as one blank, lines without blanks around and no empty
    ones."""
    text = html.unescape(_NUMBER.sub("", _STYLE.sub("", text)))
    text = _CONTROL.sub(" ", _UNHEARD.sub("", text))
    return "\n".join(line for line in map(str.strip, text.split("\n")) if line)
