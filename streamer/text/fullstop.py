"""The full stop: end of a sentence, or part of an abbreviation, initial, number, list item or address.

Pure decisions over a `View`; which words abbreviate is the language's (`rules`).
"""

from __future__ import annotations

import re

from streamer.text.marks import BULLETS, IDEOGRAM, MARKDOWN, OPENING
from streamer.text.view import KEEP, WAIT, View

_NUMBER = re.compile(r"[-+~#]?[$€£¥₹]?\d[\d.,:/\u2013-]*[%°]?")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.-?)+[^\W\d_]")
_ROMAN = re.compile(r"(?!I$)[IVXLC]+")
_SPACED = re.compile(r"\.(?:[ \u00a0]\.)+")
_VOWEL = re.compile(r"[aeiouyàáâãäåèéêëìíîïòóôõöùúûü]", re.IGNORECASE)
_LATIN_WORD = re.compile(r"[A-Za-z]+")
_MARKER = re.compile(rf"(?:[-*+{BULLETS}–]\s*)?(\d{{1,3}}|[A-Za-z])(\.\)|[.)])\s")
_COLON_MARKER = re.compile(r":\s+(1|[Aa])(\.\)|[.)])\s")
_ITEM = re.compile(r"\d{1,3}|[A-Za-z]")
_ADDRESS = frozenset("./:@_\\=&#?%")
_GOES_ON = frozenset(",;:)]}")
_HANGUL_FIRST, _HANGUL_LAST = "가", "힣"

NO_ITEM = -2
"""Not a list marker (or spaced ellipsis): the other rules decide."""


def list_item(view: View, i: int, style: str) -> int:
    """The verdict on a list marker whose mark (`style`: "." or ")" or ".)") is at `i`.

    The marker that opens a segment stays with it; the next number of a running list begins a new
    segment, so its position is the cut. `NO_ITEM` if this is no marker of a list.
    """
    begin, token = view.token_before(i)
    if not _ITEM.fullmatch(token):
        return NO_ITEM
    before = view.text[view.start : begin]
    if all(c.isspace() or c in BULLETS or c in MARKDOWN or c in "-+–" for c in before):
        return KEEP
    first = _MARKER.match(view.text, view.start, view.stop)
    if not first or first.start(1) >= begin:
        first = _COLON_MARKER.search(view.text, view.start, view.stop)
    if first is None:
        return NO_ITEM
    if first.start(1) == begin:
        return KEEP
    successor = str(int(first[1]) + 1) if first[1].isdigit() else chr(ord(first[1]) + 1)
    return begin if first[2] == style and token == successor else NO_ITEM


def spaced_ellipsis(view: View, i: int) -> tuple[int, int]:
    """The verdict on ". . ." from the dot at `i` and its end; `NO_ITEM` if it is none.

    Four dots are an ellipsis and a full stop: the first one where it touches a word, else the last.
    """
    run = _SPACED.match(view.text, i, view.stop)
    if run is None:
        return NO_ITEM, i
    k = view.visible(run.end())
    if k < 0:
        return view.unknown(), run.end()
    dots = (run.end() - i + 1) // 2
    if dots < 3:
        return NO_ITEM, i
    if dots < 4 or not view.text[k].isupper():
        return KEEP, run.end()
    return (run.end() if view.opens_token(i) else i + 1), run.end()


def unspaced(view: View, i: int, j: int) -> int:
    """The verdict on a full stop at `i` with the character at `j` right behind it and its closers.

    Numbers, addresses and file names go on; "one.Sentence two" is two sentences, as language models
    drop that space.
    """
    text, rules = view.text, view.rules
    begin, token = view.token_before(i)
    first = text[j]
    if first.isalpha() and not first.isupper() and not first.islower():
        return KEEP if text[i - 1].isdigit() or _ADDRESS & set(token) else j
    if not first.isupper() or _ADDRESS & set(token) or rules.abbreviates(token):
        return KEEP
    word, end = view.word_from(j)
    if end >= view.stop and not view.final:
        return WAIT
    if not (word in ("I", "A") or word[1:2].islower()):
        return KEEP
    after = text[end : end + 1] if end < view.stop else ""
    if after and not after.isspace() and end + 1 >= view.stop and not view.final:
        return WAIT
    inside = text[end + 1 : end + 2] if end + 1 < view.stop else ""
    if after and not after.isspace() and (after not in ".,!?;:…'’\"" or inside.isalnum()):
        return KEEP
    if _NUMBER.fullmatch(token):
        return KEEP if begin == view.start else j
    if len(token) < 2 or not token.isalpha():
        return KEEP
    known = word.lower() in rules.starters or rules.is_in(word, rules.titles)
    return j if token.islower() or (token.istitle() and known) else KEEP


def full_stop(view: View, i: int, end: int, k: int, quoted: bool) -> int:
    """The verdict on the full stop at `i`, whitespace behind it; `end` is the cut if it is one.

    `k` is the position of the next visible character, -1 if it is only known that the line ends.
    `quoted`: closing marks stand between the full stop and the whitespace.
    """
    text, rules = view.text, view.rules
    style = ".)" if text[i + 1 : i + 2] == ")" and ")" not in view.held else "."
    item = list_item(view, i, style)
    if item != NO_ITEM:
        return item
    _, token = view.token_before(i)
    newline = "\n" in (text[end:k] if k >= 0 else text[end : view.stop])
    if not token:
        return end
    if _NUMBER.fullmatch(token):
        return _after_number(view, end, k, newline)
    if rules.is_inner(token) or rules.is_in(token, rules.titles):
        return view.unknown() if k < 0 else KEEP
    if rules.is_in(token, rules.numbered) and k >= 0:
        word, after = view.word_from(k)
        if after >= view.stop and not view.final:
            return WAIT
        if word[:1].isdigit() or text[k] == "#" or _ROMAN.fullmatch(word):
            return KEEP
    initial = len(token) == 1 and token.isalpha()
    if initial or _ACRONYM.fullmatch(token) or rules.abbreviates(token):
        return _after_abbreviation(view, i, end, k, token, newline)
    if newline:
        return end
    if k < 0 or text[k] in _GOES_ON:
        return KEEP
    if not text[k].islower():
        return end
    unknown_abbreviation = _LATIN_WORD.fullmatch(token) and not _VOWEL.search(token)
    return KEEP if quoted or (unknown_abbreviation and not token.isupper()) else end


def _after_number(view: View, end: int, k: int, newline: bool) -> int:
    """A number with a full stop: "in 2020. The", but "2024. 5. 3." and "am 3. Mai" go on."""
    if newline:
        return end
    if k < 0:
        return KEEP
    first = view.text[k]
    if first.islower():
        if k + 1 >= view.stop:
            return view.unknown()
        return end if view.text[k + 1].isupper() else KEEP  # "$5. iPads are more."
    if first.isdigit() or first in _GOES_ON:
        return KEEP
    return KEEP if _HANGUL_FIRST <= first <= _HANGUL_LAST else end


def _after_abbreviation(view: View, i: int, end: int, k: int, token: str, newline: bool) -> int:
    """Whether the word behind an abbreviation, initial or acronym begins a sentence."""
    text, rules = view.text, view.rules
    if k < 0:
        return view.unknown()
    if text[k] in _GOES_ON:
        return KEEP
    word, after = view.word_from(k)
    if after >= view.stop and not view.final:
        return WAIT
    if not word:
        opens = text[k] in OPENING or text[k] in "-–—&/"
        return KEEP if opens and not newline else end
    if IDEOGRAM.match(word):
        return end
    if word[0].isdigit() or word.islower():
        return KEEP
    if rules.is_in(token, rules.closing):
        return end
    initial = text[after : after + 1] == "." and len(word) == 1
    if word.lower() in rules.starters and not initial:
        return end
    if rules.is_in(token, rules.clock):
        return _after_clock(view, i, end, word)
    return KEEP


def _after_clock(view: View, i: int, end: int, word: str) -> int:
    """ "He left at 6 p.m. Ann stayed." ends; "At 6 p.m. Ann left" and "6 p.m. Eastern" do not."""
    before = view.text[view.start : i]
    words = before.split()
    if len(words) < 4 or word.lower() in view.rules.after_clock:
        return KEEP
    fronted = words[0].strip("\"'“*_").lower() in view.rules.fronted and "," not in before
    return KEEP if fronted else end
