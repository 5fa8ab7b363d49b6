"""How much of a text that is still being written can be spoken: what no more text changes.

Knows what normaliser and lexicon look at: words that are whole, and of what spans several (links, tags,
readings of several words) only what is over. Where it isn't sure it holds back.
"""

from __future__ import annotations

import re
import unicodedata

from streamer.text.alignment import SpannedText
from streamer.text.lexicon import Lexicon
from streamer.text.marks import IDEOGRAM
from streamer.text.normalizer import LEFT_OVER_LINK, MARKED, SPACE_BEFORE_STOP, SPACES, unmarked

_BREAKS = " \t\n"
"""Not the other white space: to the normaliser it is part of a word, or a mark by itself."""

_ODD = re.compile(
    rf"{MARKED.pattern}|{SPACES.pattern}|{SPACE_BEFORE_STOP.pattern}|=|---", re.MULTILINE
)
"""Without a match a text reads the same with a mark behind it as without."""

_PIPE = "|x"
"""What reaches farthest back: the white space before it is gone, and a stop there has no space behind it."""

_APART = re.compile(r"[\s\w.,;:?)]")
"""Keeps what is in brackets from being a link; nothing takes it away."""

_BRACKET = re.compile(r"[\[\]]")
_LINK = re.compile(r"[\[［]")
_LINKED = re.compile(r"[\]］][^\s\w(（]*[(（]")
_ADDRESS = re.compile(r"[^()（）]*(?:[(（][^()（）]*[)）][^()（）]*)*[)）]")
"""Of a link, behind its first bracket; nested as the normaliser takes it."""

_BOX = re.compile(r"[\[［][^\[\]［］]{0,3}[\]］]\s*$")
"""One that is ticked goes, and the white space behind it: it may join a bracket to what is before it."""

_WIDE = re.compile("[，．：；！？（）０-９Ａ-Ｚａ-ｚ]")
"""Full width, and no mark when it is made narrow."""

_TAG = re.compile(r"<(?=[A-Za-z/])")
_LINK_IN_TAG = re.compile(r"[<＜][^\s<>＜＞][^<>＜＞]*[\[［]")
"""A tag, unless the link in it is one: then that goes first."""
_TAG_END = re.compile(r"[<>]")


def steady(text: str, lexicon: Lexicon) -> SpannedText:
    """The part of what is said of a text that every longer one begins with: a prefix of
    `lexicon.apply(for_ear(text + more))`, with the same places in the text, for whatever `more`.

    It ends behind a whole word; between two characters in scripts without spaces, where there is no
    lexicon (whose words may be several characters) and no mark in the same run.
    """
    known = _settled(text[: _whole(text, lexicon)])
    said = SpannedText.of(known) if not _ODD.search(known) else _as_ever(known)
    said = said.sub(LEFT_OVER_LINK, " ")
    begin = len(said.text) - len(said.text.lstrip())
    said = said[begin : _spoken(said.text)]
    return lexicon.apply(said[: lexicon.settled(said.text)].strip())


def _settled(known: str) -> str:
    """Without what a link that is still being written may change: the words behind its beginning."""
    while (end := _links_over(known)) < len(known):
        known = known[: _word_end(known, end)]
    return known


def _links_over(text: str) -> int:
    """Where the first thing begins of which it isn't known whether it is part of a link."""
    ends = [len(text)]
    ends += [found.start() for found in (_LINK_IN_TAG.search(text), _BOX.search(text)) if found]
    addresses = (_ADDRESS.match(text, found.end()) for found in _LINKED.finditer(text))
    if not all(addresses) and (first := _LINK.search(text)):
        ends.append(first.start())
    return min(ends)


def _whole(text: str, lexicon: Lexicon) -> int:
    """Where the last word ends of which no more can come."""
    end = _word_end(text, len(text))
    if lexicon or MARKED.search(_WIDE.sub("", text[end:])):
        return end
    for at in range(len(text) - 1, end, -1):
        inside = IDEOGRAM.match(text[at - 1]) and IDEOGRAM.match(text[at])
        if inside and not unicodedata.combining(text[at]):
            return at
    return end


def _as_ever(known: str) -> SpannedText:
    """What is said of words, whether or not a mark follows in the text."""
    said = unmarked(known)
    while (held := _held(said.text)) < len(said.text):
        known = known[: said.source(held, held)[0]]
        said = unmarked(known)
    held = _agreed(said.text, unmarked(known + _PIPE).text)
    if not MARKED.search(known):
        held = min(held, _agreed(said.text, known))
    return said[:held]


def _agreed(one: str, other: str) -> int:
    """How much of a reading is the same in another, in whole words."""
    pairs = enumerate(zip(one, other, strict=False))
    common = next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
    return _word_end(one, common) if one[common:].strip() else common


def _held(said: str) -> int:
    """Where the first link or tag begins that is not over."""
    waiting: list[int] = []
    links: list[int] = []
    for found in _BRACKET.finditer(said):
        if found.group() == "[":
            waiting.append(found.start())
        elif waiting:
            begin = waiting.pop()
            if not _APART.match(said, found.end()):
                links.append(begin)
    tags = [tag.start() for tag in _TAG.finditer(said) if not _TAG_END.search(said, tag.end())]
    first = min([*waiting, *links, *tags], default=-1)
    return len(said) if first < 0 else _word_end(said, first)


def _word_end(said: str, at: int) -> int:
    """Where the last word before `at` ends, and the white space behind it."""
    return max(said.rfind(space, 0, at) for space in _BREAKS) + 1


def _spoken(said: str) -> int:
    """Where the last word ends that has a letter or digit: marks may belong to what follows."""
    end = len(said.rstrip())
    while end:
        begin = _word_end(said, end)
        if any(map(str.isalnum, said[begin:end])):
            return end
        end = len(said[:begin].rstrip())
    return 0
