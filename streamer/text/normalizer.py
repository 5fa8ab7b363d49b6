"""Text for the ear: what only the eye needs (markdown, emoji, invisible characters) is taken away.

It keeps every word, merges no two, and leaves numbers and abbreviations to the engine's own reading.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from streamer.text.alignment import SpannedText
from streamer.text.marks import BULLETS, EMOJI

Replacement: TypeAlias = str | Callable[[re.Match[str]], str]

_INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
)
_STYLED = "\uff01-\uff5e\U0001d400-\U0001d7ff"  # fullwidth ASCII, mathematical alphabets

MARKED = re.compile(
    rf"[*_`#|~<>\[\]\\{_INVISIBLE}{_STYLED}{BULLETS}]"
    r"|^[ \t]*[-+–][ \t]|^[ \t]*[-=]{3,}"
    r"|&(?:amp|lt|gt|quot|nbsp|#39|apos);"
    rf"|{EMOJI.pattern[:-1]}",
    re.MULTILINE,
)
"""Anything at all to be done. Text without a match is returned as it is: the hot path."""

_ENTITIES = {
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "nbsp": " ",
    "#39": "'",
    "apos": "'",
}
_ADDRESS = r"(?:https?://|www\.)[^\s<>\[\]()`|]*[^\s<>\[\]()`|*_~]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"


def _gap(match: re.Match[str]) -> str:
    """Nothing, or a space where nothing would merge two words."""
    text, (start, end) = match.string, match.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    merges = before.isalnum() and after.isalnum()
    return " " if merges or (before and before in ".,:;!?" and after.isalpha()) else ""


def _content(match: re.Match[str]) -> str:
    """What a link or an image says, never merged with what surrounds it."""
    text, (start, end) = match.string, match.span()
    said = match[1].strip()
    if not said:
        return _gap(match)
    before = " " if start > 0 and text[start - 1].isalnum() else ""
    after = " " if end < len(text) and text[end].isalnum() else ""
    return before + said + after


def _mark(match: re.Match[str]) -> str:
    """A run of emphasis or code marks; an address or an operator is left as it is."""
    if match["address"]:
        return match[0]
    text, (start, end) = match.string, match.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    apart = before.isspace() and after.isspace()
    if match[0] == "*" and (apart or (before.isdigit() and after.isdigit())):
        return "*"
    return _gap(match)


def _joiner(match: re.Match[str]) -> str:
    """An invisible character: a break between words of scripts without spaces, else nothing."""
    return _gap(match) if match[0][0] in "\u200b\x00\x0b\x0c" else ""


LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])")
"""The innermost link or image; repeated, so that an image within a link is read."""

STEPS: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (re.compile(rf"[{_STYLED}]+"), lambda m: unicodedata.normalize("NFKC", m[0])),
    (re.compile(rf"[{_INVISIBLE}]"), _joiner),
    (re.compile(r"^[ \t]*(?:```|~~~)[^\n`]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:[-*_=][ \t]*){3,}$", re.MULTILINE), ""),
    (re.compile(r"^[|: \t-]*-{3}[|: \t-]*$", re.MULTILINE), ""),
    (re.compile(r"^(?:[ \t]*>)+[ \t]?", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*#{1,6}[ \t]+", re.MULTILINE), ""),
    (re.compile(rf"^[ \t]*[-*+–{BULLETS}][ \t]+(?=\S)", re.MULTILINE), ""),
    (re.compile(r"\\(?=[\[\]])"), ""),
    (re.compile(r"\[[ xX]\][ \t]+|\[\^[^\[\]\s]+\]:?"), _gap),
    (LINK, _content),
    (re.compile(r"<((?:https?://|mailto:)[^<>\s]+|[\w.+-]+@[\w.-]+)>"), _content),
    (re.compile(r"(?:</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>)+"), _gap),
    (re.compile(r"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"[ \t]*\|+[ \t]*(?=\S)"), ", "),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
    (
        re.compile(
            rf"(?P<address>{_ADDRESS})"
            r"|(?:[*_`]|~~+)+"
        ),
        _mark,
    ),
    (re.compile(r"&(amp|lt|gt|quot|nbsp|#39|apos);"), lambda m: _ENTITIES[m[1]]),
)
"""What is taken away, in order: later steps rely on earlier ones."""

LEFT_OVER_LINK = re.compile(r"\](?=\()")
SPACES = re.compile(r"[ \t]{2,}|[ \t]+(?=\n)")
SPACE_BEFORE_STOP = re.compile(r"[ \t]+(?=[.,!?;:](?:\s|$))")
_KEYCAP = re.compile("\ufe0f?\u20e3")


def for_ear(text: str) -> SpannedText:
    """What is to be spoken of a segment, with the place of every character in `text`.

    Text of nothing but emoji is left alone. A link says its text, so nothing that comes out reads as
    an engine's own `[text](/phonemes/)`.
    """
    if not MARKED.search(text):
        return SpannedText.of(text)
    spanned = _without_emoji(text)
    if not spanned.text.strip():
        return SpannedText.of(text)
    return _unmarked(spanned).sub(LEFT_OVER_LINK, " ").strip()


def unmarked(text: str) -> SpannedText:
    """`for_ear` of a part of a text with something in it to be done, but for its last step, `LEFT_OVER_LINK`:
    so that it shows where a link may yet become one."""
    return _unmarked(_without_emoji(text))


def _without_emoji(text: str) -> SpannedText:
    return SpannedText.of(text).sub(_KEYCAP, "").sub(EMOJI, _gap)


def _unmarked(spanned: SpannedText) -> SpannedText:
    for pattern, replacement in STEPS:
        spanned = spanned.sub(pattern, replacement)
    while (again := spanned.sub(LINK, _content)) is not spanned:
        spanned = again
    # Whatever was done, or else a mark would change how the words before it are spaced.
    return spanned.sub(SPACES, " ").sub(SPACE_BEFORE_STOP, "")
