"""Where text may be broken although no sentence ends: between words when the input pauses, or because
a sentence is too long. Never inside a number, an abbreviation or an address."""

from __future__ import annotations

import re
import unicodedata

from streamer.text.boundaries import long_enough
from streamer.text.marks import EMOJI_TAIL, STOPS, WIDE_CLAUSE_MARKS, WIDE_STOPS
from streamer.text.rules import Rules
from streamer.text.view import View

_SPACE = re.compile(r"\s+")
_CLAUSE_BREAK = re.compile(rf"[,;:—][\"'”’)\]*_]*(?=\s)|\s[-–](?=\s)|[{WIDE_CLAUSE_MARKS}]")
_ADDRESS = re.compile(r"[./:@\\_\d]")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W_]")
_LINK = re.compile(r"\[[^\[\]]*(?:\](?:\([^()\s]*\)?|$)|$)")
"""A markdown link, or what may become one: its text is not torn from its address."""
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"
_PATIENCE = 60, 100, 140
"""Characters behind the limit: from the first on, any place will do where a voice may rest, from the second
on any space, at the third any place at all."""
_LEAST_SHARE = 3
"""A clause mark is the better place to break only if at least 1/3 of the stretch precedes it."""


def settled_stop(view: View, i: int) -> int:
    """Where a segment ends at the undecided mark at `i` if nothing follows for a while; 0: it doesn't.

    "3." may become "3.14", "example." an address and "Dr." goes on with a name: those wait.
    """
    text = view.text
    end = i
    while end < view.stop and text[end] in STOPS + WIDE_STOPS:
        end += 1
    run = text[i:end]
    end, held = view.closers(end)
    tail = EMOJI_TAIL.match(text, end, view.stop)
    end = tail.end() if tail else end
    begin, token = view.token_before(i)
    if held or text[end : view.stop].strip() or not token:
        return 0
    if run != ".":
        return 0 if "://" in token else end
    if view.rules.is_in(token, view.rules.closing):
        return end if end < view.stop else 0
    if view.rules.abbreviates(token) or (len(token) == 1 and token.isalpha()):
        return 0
    if view.rules.is_in(token, view.rules.numbered) and begin > view.start:
        return 0  # "item no." goes on; "No." alone is an answer
    if _ADDRESS.search(token):
        marker = token.isdigit() and not text[view.start : i - len(token)].strip(" \t-*+•")
        acronym = all(len(part) == 1 for part in token.split("."))
        return 0 if end == view.stop or marker or acronym else end
    return end


def between_words(view: View, least: int) -> int:
    """The last place between two complete words with at least `least` words before it; 0: none.

    The last word counts as complete only if whitespace follows. A clause mark goes before.
    """
    text, start, stop = view.text, view.start, view.stop
    clause = _last_clause(text, start, stop)
    if clause and long_enough(text[start:clause], least):
        return clause
    for end in reversed(_spaces(text, start, stop)):
        if not long_enough(text[start:end], least):
            return 0
        if _may_pause_after(text[start:end], view.rules):
            return end
    return 0


def too_long(view: View, limit: int) -> int:
    """Where to break a sentence that has more than `limit - start` characters; always > start."""
    text, start = view.text, view.start
    clause = _last_clause(text, start, limit + 1)
    if clause > limit:  # A wide mark ends a clause by itself: that one is one too far.
        clause = _last_clause(text, start, limit)
    if clause:
        return clause
    spaces = _spaces(text, start, limit + 1)
    for end in reversed(spaces[len(spaces) // _LEAST_SHARE :]):
        if _may_pause_after(text[start:end], view.rules):
            return end
    return spaces[-1] if spaces else _inside_word(text, start, limit)


def onward(view: View, limit: int) -> int:
    """Where to break a sentence behind `limit`, though all before it has been spoken: at the end of a
    clause; a little later between words where a voice may rest; then anywhere. 0: not yet."""
    text, start, stop = view.text, view.start, view.stop
    rests, spaces, last = (limit + share for share in _PATIENCE)
    clauses = [m.end() for m in _CLAUSE_BREAK.finditer(text, limit, stop)]
    places = [end for end in clauses if not _joins_digits(text, end, stop)]
    waits = [] if view.final else [at for at in clauses if _ends_in_number(text, at, stop)]
    for space in _spaces(text, limit, stop):
        if space >= spaces or (space >= rests and _may_pause_after(text[start:space], view.rules)):
            places.append(space)
            break
    places = _outside_links(text, start, stop, places)
    if stop > last + 1:
        places.append(_whole_character(text, last, stop))
    end = min(places, default=0)
    return 0 if any(at < end for at in waits) else end


def _ends_in_number(text: str, end: int, stop: int) -> bool:
    """Whether the mark before `end` stands behind a digit, and nothing else is known behind it."""
    return text[end - 2 : end - 1].isdigit() and not text[end:stop].strip()


def _whole_character(text: str, at: int, stop: int) -> int:
    """The first place from `at` on that is inside no character."""
    while at < stop and _joined(text, at):
        at += 1
    return at if at < stop else 0


def _spaces(text: str, start: int, stop: int) -> list[int]:
    """Where whitespace begins within `text[start:stop]`, links left out."""
    return _outside_links(
        text, start, stop, [m.start() for m in _SPACE.finditer(text, start, stop)]
    )


def _outside_links(text: str, start: int, stop: int, places: list[int]) -> list[int]:
    if text.find("[", start, stop) < 0:
        return places
    links = [link.span() for link in _LINK.finditer(text, start, stop)]
    return [p for p in places if not any(low < p < high for low, high in links)]


def _last_clause(text: str, start: int, stop: int) -> int:
    """The end of the last clause within `text[start:stop]` if that is far enough on, else 0."""
    ends = [found.end() for found in _CLAUSE_BREAK.finditer(text, start, stop)]
    ends = _outside_links(text, start, stop, ends)
    while ends and _joins_digits(text, ends[-1], stop):
        ends.pop()
    return ends[-1] if ends and (ends[-1] - start) * _LEAST_SHARE >= stop - start else 0


def _joins_digits(text: str, end: int, stop: int) -> bool:
    """ "March 5, 2024": a mark between two digits; or a digit before it and nothing known behind."""
    after = text[end:stop].lstrip()[:1]
    return text[end - 2 : end - 1].isdigit() and (not after or after.isdigit())


def _may_pause_after(text: str, rules: Rules) -> bool:
    """Whether a voice may pause behind the last word: not after an article, a number, a title."""
    token = text[max(text.rfind(" "), text.rfind("\n"), text.rfind("\t")) + 1 :]
    word = token.strip("\"'“”‘’()[]{}*_~`,;:")
    if not _LETTER.search(word) or token[-1] in "([{“‘«$€£¥#&@/\\":
        return False
    if word.endswith("."):
        word = word.rstrip(".")
        if len(word) == 1 or "." in word or rules.abbreviates(word):
            return False
        if rules.is_in(word, rules.numbered):
            return False
    return not _DIGIT.search(word) and word.lower() not in rules.leading


def _inside_word(text: str, start: int, limit: int) -> int:
    """A break in unspaced text: at `limit`, or a little before it to keep a character whole."""
    least = max(start + 1, limit - 16)
    for end in range(limit, least, -1):
        if not _joined(text, end):
            return end
    return limit


def _joined(text: str, end: int) -> bool:
    """Whether `end` is inside a character of several code points."""
    mark = text[end] in _JOINERS or "\U0001f3fb" <= text[end] <= "\U0001f3ff"
    return mark or bool(unicodedata.combining(text[end])) or text[end - 1] == "\u200d"
