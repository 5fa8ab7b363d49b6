"""Cuts text into sentences (and a first clause) while it arrives: push and flush, no clock.

A boundary is decided once and never changes; whole text, tokens and single characters give the same
segments. What ends a sentence is `boundaries`; here is only the buffer and what is held open.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.text import boundaries, breaks
from streamer.text.marks import (
    BULLETS,
    CLAUSE_CANDIDATE,
    CLAUSE_MARKS,
    PAIRS,
    QUOTE,
    SENTENCE_CANDIDATE,
    STOPS,
    WIDE_CLAUSE_MARKS,
    WIDE_STOPS,
)
from streamer.text.rules import rules_for
from streamer.text.view import KEEP, LOOKAHEAD, LOOKBEHIND, WAIT, View
from streamer.types import Cut, Reason

HELD = 200
"""Characters after which a bracket or quote that doesn't close no longer holds its text together."""

MAX_OPEN = 16
"""Brackets and quotes that are kept account of at a time."""

_STOPS, _WIDE_STOPS = frozenset(STOPS), frozenset(WIDE_STOPS)
_CLAUSES = frozenset(CLAUSE_MARKS + WIDE_CLAUSE_MARKS)
_CLOSERS = frozenset(PAIRS.values())
_BULLETS = frozenset(BULLETS)
_LINES = frozenset("\n\u2028\u2029")
_SMILEY_EYES = frozenset(":;=-")


@dataclass(frozen=True, slots=True)
class Span:
    """A segment of a context's input: `text` quotes it at `offset` (code points of the whole input),
    without the whitespace around it."""

    text: str
    offset: int
    reason: Reason


class Segmenter:
    """The text of one context on its way to being segments.

    `cut`: "sentence"; "clause" also cuts at clause marks; "auto" does so for the first segment only,
    for an early first sound; "none" cuts at `flush` (and at `max_chars`). A clause has at least
    `first_clause_words` words. At most `max_chars` plus a bounded lookahead wait undecided.

    `onward`, to be changed between segments only: text is spoken while it comes, so that what has come is
    never left to the next segment, and the first one needs no clause.
    """

    def __init__(
        self,
        cut: Cut = "auto",
        language: str = "auto",
        *,
        first_clause_words: int = 4,
        max_chars: int = 300,
        onward: bool = False,
    ) -> None:
        self.onward = onward
        self._cut = cut
        self._rules = rules_for(language)
        self._least = first_clause_words
        self._max = max_chars
        self._text = ""
        self._base = 0  # offset of _text[0] in the input
        self._start = 0  # where the segment begins that is being looked for
        self._at = 0  # everything before is decided
        self._open: list[tuple[str, int]] = []  # closing marks awaited, and where they were opened
        self._clauses = cut in ("auto", "clause")

    @property
    def pending(self) -> str:
        """Text received and not yet cut, without whitespace before it."""
        return self._text[self._start :].lstrip()

    @property
    def sure(self) -> tuple[str, int]:
        """What belongs to the segment that is being looked for, but for its last word if that goes on, and
        its offset in the input."""
        return self._text[self._start : self._at], self._base + self._start

    def push(self, text: str) -> list[Span]:
        """Take more text; the segments that it decides."""
        self._text += text
        return self._scan(len(self._text), final=False)

    def split(self, offset: int) -> list[Span]:
        """The segment that is being looked for ends at an offset within it, since another voice goes on."""
        spans = [self._emit(offset - self._base, "language")]
        return self._trimmed([*spans, *self._scan(len(self._text), final=False)])

    def pause(self, *, between_words: bool = True) -> list[Span]:
        """The input has paused for long: cut what may be cut, between words only (reason "timer"); only what
        may be a whole sentence if not `between_words`."""
        if self._cut == "none" or not self.pending:
            return []
        view = self._view(self._at, len(self._text), final=True)
        end = self._settled(view)
        if not end and between_words and self._cut != "sentence":
            end = breaks.between_words(view, self._least)
        if end <= self._start:
            return []
        return self._trimmed([self._emit(end, "timer"), *self._scan(len(self._text), final=False)])

    def flush(self, reason: Reason = "flush") -> list[Span]:
        """Decide everything now: the rest is a segment cut for `reason`."""
        end = len(self._text.rstrip())
        spans = self._scan(end, final=True)
        if self._start < end:
            spans.append(self._emit(end, reason))
        self._start = self._at = len(self._text)
        return self._trimmed(spans)

    def _scan(self, stop: int, *, final: bool) -> list[Span]:
        """Decide mark by mark until one needs more text than `_text[:stop]`."""
        spans: list[Span] = []
        while True:
            if self._at == self._start:
                self._skip_space(stop)
            limit = self._limit(stop, final)
            clauses = self._clauses and not (self.onward and self._cut == "auto")
            pattern = CLAUSE_CANDIDATE if clauses else SENTENCE_CANDIDATE
            found = pattern.search(self._text, self._at, min(limit, stop))
            if found:
                i = found.start()
                cut, resume = self._decide(i, stop, final)
                if cut == WAIT:
                    self._at = i
                    break
                if cut > self._start:
                    mark = self._text[i]
                    spans.append(self._emit(cut, "clause" if mark in _CLAUSES else "sentence"))
                else:
                    self._at = resume
            elif stop > limit:
                view = self._view(limit, stop, final=True)
                end = limit if self.onward else breaks.too_long(view, limit)
                spans.append(self._emit(end, "length"))
            else:
                self._at = max(self._at, stop)
                break
        return self._trimmed(spans)

    def _limit(self, stop: int, final: bool) -> int:
        """Where the segment is too long; `stop` if it isn't."""
        limit = self._start + self._max
        if not self.onward or stop <= limit:
            return limit
        return breaks.onward(self._view(limit, stop, final=final), limit) or stop

    def _decide(self, i: int, stop: int, final: bool) -> tuple[int, int]:
        """The verdict on the mark at `i`, and where to go on if it doesn't cut."""
        mark = self._text[i]
        if self._cut == "none":
            return KEEP, i + 1
        ahead = i + LOOKAHEAD
        view = self._view(i, min(stop, ahead), final=final or stop >= ahead)
        if mark in _STOPS:
            return boundaries.stop_mark(view, i)
        if mark in _WIDE_STOPS:
            return boundaries.wide_stop(view, i)
        if mark in _CLAUSES:
            return boundaries.clause_mark(view, i, self._least), i + 1
        if mark in _LINES:
            line = self._text.rfind("\n", max(0, self._start - LOOKBEHIND), i) + 1
            return boundaries.line_end(view, i, line or max(0, self._start - LOOKBEHIND)), i + 1
        if mark in _BULLETS:
            return boundaries.bullet(view, i), i + 1
        verdict = KEEP
        if mark == ")" and mark not in view.held:
            verdict = boundaries.closing_parenthesis(view, i)
        if verdict == KEEP:
            self._bracket(mark, i, view.held)
        return verdict, i + 1

    def _bracket(self, mark: str, i: int, held: str) -> None:
        """Keep account of what is open."""
        before = self._text[i - 1] if i > self._start else " "
        if mark in held and (mark in _CLOSERS or mark == QUOTE):
            while self._open.pop()[0] != mark:
                pass
        elif len(self._open) >= MAX_OPEN:
            return
        elif mark == QUOTE:
            if not (before.isalnum() or before in ".,!?…"):  # 6" is a length
                self._open.append((QUOTE, i))
        elif mark == "“":
            self._open.append(("”", i))
        elif mark in PAIRS and not (mark == "(" and before in _SMILEY_EYES):
            self._open.append((PAIRS[mark], i))

    def _view(self, i: int, stop: int, *, final: bool) -> View:
        """What the mark at `i` may see; brackets left open for too long no longer count."""
        if self._open and i - self._open[0][1] > HELD:
            self._open = [entry for entry in self._open if i - entry[1] <= HELD]
        held = "".join([mark for mark, _ in self._open])
        return View(self._text, self._start, stop, final, held, self._rules)

    def _settled(self, view: View) -> int:
        """Where the mark that waits for more text cuts if none comes; 0: nowhere."""
        if self._at >= view.stop:
            return 0
        mark = view.text[self._at]
        if mark in _STOPS or mark in _WIDE_STOPS:
            return breaks.settled_stop(view, self._at)
        if mark in _CLAUSES:
            end = boundaries.clause_mark(view, self._at, self._least)
            digit = view.text[self._at - 1].isdigit()
            return self._at + 1 if mark in WIDE_CLAUSE_MARKS and not digit else max(end, 0)
        return self._at if mark in _LINES else 0

    def _emit(self, end: int, reason: Reason) -> Span:
        """The segment that ends at `end`; what is held open does not outlive it."""
        start = self._start
        self._start = self._at = end
        self._open.clear()
        self._clauses = self._cut == "clause"
        return Span(self._text[start:end].rstrip(), self._base + start, reason)

    def _skip_space(self, stop: int) -> None:
        while self._start < stop and self._text[self._start].isspace():
            self._start += 1
        self._at = self._start

    def _trimmed(self, spans: list[Span]) -> list[Span]:
        """Forget text that no decision looks at any more."""
        done = self._start - LOOKBEHIND
        if done > 0:
            self._text = self._text[done:]
            self._base += done
            self._start -= done
            self._at -= done
            self._open = [(mark, i - done) for mark, i in self._open]
        return spans
