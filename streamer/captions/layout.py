"""How a caption's text is laid out: how long a line is, and how well it may be broken where.

After Netflix's Timed Text Style Guide (42 characters a line, 16 of Chinese, Japanese and Korean, two lines,
broken behind marks and before conjunctions, the upper line rather the shorter) and the BBC's Subtitle
Guidelines (sentences, then clauses, then phrases are kept together).
"""

from __future__ import annotations

import re
import unicodedata

from streamer.text.marks import (
    CLAUSE_MARKS,
    CLOSING,
    HIRAGANA,
    IDEOGRAM,
    STOPS,
    WIDE_CLAUSE_MARKS,
    WIDE_STOPS,
)
from streamer.text.rules import RULES

LINE = 42
LINES = 2
_WIDE = LINE / 16
_LEADING = frozenset(word for rules in RULES.values() for word in rules.leading)
_SENTENCE = frozenset(STOPS + WIDE_STOPS)
_CLAUSE = frozenset(CLAUSE_MARKS + WIDE_CLAUSE_MARKS)
_NEVER_FIRST = frozenset(
    "ーぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ々〻ヽヾゝゞ,.!?:;%’”、。，．・：；？！‼⁇⁈⁉…"
)
"""No line of Japanese or Chinese begins with these (kinsoku shori, JIS X 4051), nor with what closes."""
_DIVIDES = re.compile(r"[—–…/]|\.\.|--")
"""Between words without a space: a line may end behind it."""
_SPACE = re.compile(r"[^\S\u00a0\u202f]+")
"""Where a line may be broken: not at spaces that bind."""


def width(text: str) -> float:
    """In characters of a line."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide * (_WIDE - 1)


def flat(text: str) -> str:
    """A text on one line."""
    return _SPACE.sub(" ", text).strip()


def place_between(text: str, end: int, start: int) -> int | None:
    """Where a line or caption may end between two words, of which one ends at `end` and the next begins at
    `start`; None: nowhere. Marks stay with the word they belong to."""
    if start < end:
        return None
    gap = text[end:start]
    line = max(gap.rfind("\n"), gap.rfind("\u2028"), gap.rfind("\u2029"))
    if line >= 0:
        return end + line + 1
    spaces = [found.end() for found in _SPACE.finditer(gap)]
    if spaces:
        closed = [at for at in spaces if not _opens(gap[:at].rstrip()[-1:])]
        return end + (closed or spaces[:1])[-1]
    at = end
    while at < start and not _opens(text[at]):
        at += 1
    joins = _unspaced(text[end - 1 : end]) or _unspaced(text[start : start + 1])
    if not joins and not _DIVIDES.search(gap):
        return None
    return None if _never_first(text[at : at + 1]) or _opens(text[at - 1]) else at


def penalty(before: str, after: str) -> float:
    """What speaks against a break between two stretches of text: 0 nothing, 1 little."""
    end = before.rstrip()
    while end and end[-1] in CLOSING:
        end = end[:-1]
    last, first = end[-1:], after.lstrip()[:1]
    if last in _SENTENCE and last:
        return 0.0
    if last in _CLAUSE and last:
        return 0.15
    if before.endswith("\n"):
        return 0.1
    if _unspaced(last) and _unspaced(first):
        if HIRAGANA.match(last):  # behind a particle, before a word
            return 0.6 if HIRAGANA.match(first) else 0.4
        return 0.7
    if _word(end.rpartition(" ")[2]) in _LEADING:
        return 1.0
    follows = after.split(None, 1)
    return 0.3 if follows and _word(follows[0]) in _LEADING else 0.5


def fits(text: str) -> bool:
    """Whether a text has room in a caption."""
    text = flat(text)
    length = width(text)
    if length <= LINE or length > LINES * LINE + 1:
        return length <= LINE
    return len(_filled(_pieces(text))) <= LINES


def lines(text: str) -> list[str]:
    """A text in as few lines as it takes, two of them where they read best."""
    text = flat(text)
    length = width(text)
    if length <= LINE:
        return [text] if text else []
    pieces = _pieces(text)
    best: tuple[float, int] | None = None
    above, at = 0.0, 0
    for piece in pieces[:-1]:
        above, at = above + width(piece), at + len(piece)
        if width(piece.rstrip()) - width(piece) + above > LINE:
            break
        if length - above > LINE:
            continue
        cost = penalty(text[:at], text[at:]) + abs(length - 2 * above) / LINE
        cost += 0.2 * (2 * above > length)
        if best is None or cost < best[0]:
            best = cost, at
    if best is None:
        return _filled(pieces)
    return [text[: best[1]].strip(), text[best[1] :].strip()]


def _filled(pieces: list[str]) -> list[str]:
    """Line by line, each as full as it can be."""
    found: list[str] = []
    line, length = "", 0.0
    for piece in pieces:
        if line and length + width(piece.rstrip()) > LINE:
            found.append(line.strip())
            line, length = "", 0.0
        line += piece
        length += width(piece)
    return [*found, line.strip()]


def _pieces(text: str) -> list[str]:
    """What stays on one line, each with the space behind it; nothing longer than a line."""
    found = []
    for token in re.findall(r"[^ ]+ ?", text):
        at, length, before = 0, 0.0, ""
        for i, character in enumerate(token.rstrip()):
            wide = width(character)
            whole = length + wide <= LINE or unicodedata.combining(character)
            splits = _unspaced(before) or _unspaced(character)
            if i > at and (
                not whole or (splits and not (_never_first(character) or _opens(before)))
            ):
                found.append(token[at:i])
                at, length = i, 0.0
            length += wide
            before = character
        found.append(token[at:])
    return found


def _unspaced(character: str) -> bool:
    """Whether it is of a script without spaces."""
    return bool(
        character and (IDEOGRAM.match(character) or character in WIDE_STOPS[:5] + "，、；：")
    )


def _opens(character: str) -> bool:
    return character in ("¿", "¡") or unicodedata.category(character or " ") in ("Ps", "Pi")


def _never_first(character: str) -> bool:
    closes = unicodedata.category(character or " ") in ("Pe", "Pf")
    return closes or character in _NEVER_FIRST


def _word(token: str) -> str:
    return token.strip("\"'“”‘’()[]{}*_~`,;:").lower()
