"""Whether a segment ends at a mark: pure decisions over a prefix of the text.

Every decision is final: what a prefix decides no longer text changes, and a prefix that can't decide
yet says `WAIT`. It knows no buffers and no time.
"""

from __future__ import annotations

import re

from streamer.text.fullstop import NO_ITEM, full_stop, list_item, spaced_ellipsis, unspaced
from streamer.text.marks import (
    CLAUSE_MARKS,
    EMOJI,
    EMOJI_TAIL,
    HIRAGANA,
    IDEOGRAM,
    STOPS,
    WIDE_STOPS,
    WORD,
)
from streamer.text.view import KEEP, WAIT, View

_STOP_RUN = re.compile(f"[{re.escape(STOPS)}]+")
_WIDE_RUN = re.compile(f"[{re.escape(STOPS + WIDE_STOPS)}]+")
_ELLIPSIS = re.compile(r"[.…]{2,}|…")
_ADDRESS = re.compile(r"://|^www\.|@", re.IGNORECASE)
_WIDE_GOES_ON = frozenset("，、；：,")
_FIRST_PERSON = frozenset(("I", "I'm", "I'll", "I've", "I'd", "I’m", "I’ll", "I’ve", "I’d"))

WRAPPED_LINE = 40
"""Characters of a line that may have been wrapped in mid-sentence; shorter ones end by intent."""


def stop_mark(view: View, i: int) -> tuple[int, int]:
    """The verdict on the terminal mark at `i`, and where to look on if it doesn't cut."""
    text = view.text
    run = _STOP_RUN.match(text, i, view.stop)
    assert run is not None
    after = run.end()
    j, held = view.closers(after)
    if j == view.stop:
        return view.unknown(), after
    if not text[j].isspace() and not EMOJI.match(text, j):
        return _unspaced(view, run.group(), i, j, held), after
    if held:
        return KEEP, after
    tail = EMOJI_TAIL.match(text, j, view.stop)
    end = tail.end() if tail else j
    k = view.visible(end)
    if k < 0 and "\n" not in text[end : view.stop]:
        waited = view.final and end < view.stop
        return (end if waited else view.unknown()), after
    if run.group() == ".":
        if k >= 0 and text[k] == ".":
            spaced, spaced_end = spaced_ellipsis(view, i)
            if spaced != NO_ITEM:
                return spaced, spaced_end
        return full_stop(view, i, end, k, j > after), after
    return _spaced(view, run.group(), i, end, k, j > after), after


def _unspaced(view: View, run: str, i: int, j: int, held: str) -> int:
    """The verdict on a run of marks with the character at `j` right behind it."""
    if view.opens_token(i) or held:
        return KEEP
    if run == ".":
        return unspaced(view, i, j)
    if _ELLIPSIS.fullmatch(run):
        return KEEP
    first = view.text[j]
    _, token = view.token_before(i)
    named = run == "!" and view.rules.is_in(token, view.rules.exclaimed)
    if named or _ADDRESS.search(token):
        return KEEP
    return j if first.isupper() or IDEOGRAM.match(first) else KEEP


def _spaced(view: View, run: str, i: int, end: int, k: int, quoted: bool) -> int:
    """The verdict on an ellipsis, `!` or `?` with whitespace behind it; see `full_stop`."""
    text = view.text
    if k < 0 or "\n" in text[end:k]:
        return end
    if text[k] in ",;:)":
        return KEEP
    if _ELLIPSIS.fullmatch(run):
        if text[k].islower():
            return KEEP
        word, after = view.word_from(k)
        if len(run) < 4 and word[:1] in ("", "I"):  # "I... I don't know"
            if after >= view.stop and not view.final:
                return WAIT
            return KEEP if word in _FIRST_PERSON else end
        return end
    if not text[k].islower():
        return end
    _, token = view.token_before(i)
    named = run == "!" and view.rules.is_in(token, view.rules.exclaimed)
    return KEEP if named or quoted else end


def wide_stop(view: View, i: int) -> tuple[int, int]:
    """The verdict on a terminal mark of a script without abbreviations."""
    text = view.text
    run = _WIDE_RUN.match(text, i, view.stop)
    assert run is not None
    after = run.end()
    j, held = view.closers(after)
    if j == view.stop:
        return view.unknown(), after
    if held or text[j] in _WIDE_GOES_ON:
        return KEEP, after
    if text[i] == "．" and text[j].isdigit() and i > view.start and text[i - 1].isdigit():
        return KEEP, after
    if j > after and HIRAGANA.match(text[j]):  # 「…。」と言った: the quotation goes on
        return KEEP, after
    tail = EMOJI_TAIL.match(text, j, view.stop)
    end = tail.end() if tail else j
    if (tail or text[j].isspace()) and view.visible(end) < 0 and "\n" not in text[end : view.stop]:
        return (end if view.final and end < view.stop else view.unknown()), after
    return end, after


def line_end(view: View, i: int, line: int) -> int:
    """The verdict on the newline at `i` of a line that begins at `line`.

    A blank line always cuts; a single newline unless it looks like a wrapped line of a paragraph.
    """
    text = view.text
    k = view.visible(i + 1)
    gap = text[i : k if k >= 0 else view.stop]
    if gap.count("\n") > 1 or "\u2029" in gap:
        return i
    if k < 0:
        return i if view.final else WAIT
    before = text[max(line, view.start) : i].rstrip("\r")
    spaced = before[-1:] in (" ", "\t")
    if text[k].islower() and (i - line >= WRAPPED_LINE or spaced):
        return KEEP
    if text[k].isalpha() and i - line >= WRAPPED_LINE:
        last = before.rstrip()
        if last.endswith(",") or last.rpartition(" ")[2].lower() in view.rules.leading:
            return KEEP
    return i


def bullet(view: View, i: int) -> int:
    """A bullet in mid-line begins the next item of a list that began with the same bullet."""
    text = view.text
    return i if i > view.start and text[i] == text[view.start] and text[i - 1].isspace() else KEEP


def closing_parenthesis(view: View, i: int) -> int:
    """`2)` begins the next item of a list."""
    item = list_item(view, i, ")")
    if item in (NO_ITEM, KEEP):
        return KEEP
    if i + 1 >= view.stop:
        return view.unknown()
    return item if view.text[i + 1].isspace() else KEEP


def clause_mark(view: View, i: int, least: int) -> int:
    """The verdict on a comma, semicolon, colon or dash, if at least `least` words precede it."""
    text = view.text
    if not long_enough(text[view.start : i], least):
        return KEEP
    if i + 1 >= view.stop:
        return view.unknown()
    end = i + 1
    if text[i] in "-–—":
        if view.held:
            return KEEP
        if text.startswith("--", i):
            end = i + 2
            if end >= view.stop:
                return view.unknown()
        if not _dash_divides(text, i, end):
            return KEEP
    else:
        end, held = view.closers(end)
        if end >= view.stop:
            return view.unknown()
        spaced = text[end].isspace() or text[i] not in CLAUSE_MARKS
        if held or text[i - 1].isspace() or not spaced:
            return KEEP
    return _between_numbers(view, i, end)


def _dash_divides(text: str, i: int, end: int) -> bool:
    """Whether the dash `text[i:end]` stands between clauses: spaced, or long and between words."""
    before, after = text[i - 1], text[end]
    if text[i] == "—":
        return after.isspace() or after.isalnum()
    if end > i + 1:
        return before != "-" and before.isspace() == after.isspace()
    return before.isspace() and after.isspace()


def _between_numbers(view: View, i: int, end: int) -> int:
    """ "March 5, 2024", "3 - 1" and "1，234" go on."""
    last = view.text[view.start : i].rstrip()[-1:]
    if last.isdigit():
        k = view.visible(end)
        if k < 0:
            return view.unknown()
        return KEEP if view.text[k].isdigit() else end
    _, token = view.token_before(i)
    return KEEP if view.rules.is_inner(token.rstrip(".")) else end


def long_enough(text: str, least: int) -> bool:
    """Whether text has `least` words; two ideograms count as one."""
    ideograms = len(IDEOGRAM.findall(text))
    return len(WORD.findall(text)) >= least or ideograms >= 2 * least
