"""The text as a mark sees it: what lies before it in its segment, and how far one may look ahead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamer.text.marks import CLOSING, MARKDOWN, OPENING, QUOTE
from streamer.text.rules import Rules

WAIT = -1
"""More text is needed to decide."""
KEEP = 0
"""No cut here. Any other verdict is the position where the segment ends."""

LOOKAHEAD = 80
"""Characters after a mark that may be needed to decide; what is still open then is decided without.
It bounds the text that waits, and covers a long word between long runs of closing marks."""

LOOKBEHIND = 120
"""Characters before a segment that are kept to know how long its line is."""

_WORD = re.compile(r"[^\W_][\w'’]*")
_VISIBLE = re.compile(r"\S")
_AMBIGUOUS = frozenset(QUOTE + "“")
_STICKY = frozenset(MARKDOWN + "'’")


@dataclass(frozen=True, slots=True)
class View:
    """One mark's surroundings. The segment begins at `text[start]`; only `text[:stop]` may be looked at.

    `final`: nothing beyond `stop` will be looked at, so there is no waiting. `held`: the closing marks
    of brackets and quotes that are open, outermost first.
    """

    text: str
    start: int
    stop: int
    final: bool
    held: str
    rules: Rules

    def unknown(self) -> int:
        """The verdict where the text ends too early."""
        return KEEP if self.final else WAIT

    def opens_token(self, i: int) -> bool:
        """Whether the mark at `i` has no word before it."""
        return i == self.start or self.text[i - 1].isspace()

    def visible(self, i: int) -> int:
        """Position of the first character from `i` on that isn't whitespace, -1 if none is known."""
        found = _VISIBLE.search(self.text, i, self.stop)
        return found.start() if found else -1

    def token_before(self, i: int) -> tuple[int, str]:
        """The unspaced text before the mark at `i` without opening marks, and where it begins."""
        text, begin = self.text, i
        least = max(self.start, i - LOOKAHEAD)
        while begin > least and not text[begin - 1].isspace() and text[begin - 1] not in "—…":
            begin -= 1
        while begin < i and text[begin] in OPENING:
            begin += 1
        return begin, text[begin:i].rstrip("*_`\"'”’)]")

    def word_from(self, i: int) -> tuple[str, int]:
        """The word at `i` or behind the opening marks there ("" if there is none), and its end."""
        while i < self.stop and self.text[i] in OPENING:
            i += 1
        found = _WORD.match(self.text, i, self.stop)
        return (found.group().rstrip("_'’"), found.end()) if found else ("", i)

    def closers(self, i: int) -> tuple[int, str]:
        """Where the closing marks that begin at `i` end, and what is held open then."""
        text, held, begin = self.text, self.held, i
        while i < self.stop and text[i] in CLOSING:
            mark = text[i]
            if mark in _AMBIGUOUS and mark not in held:
                break
            held = held[: held.rfind(mark)] if mark in held else held
            i += 1
        if i < self.stop and text[i].isalnum():
            while i > begin and text[i - 1] in _STICKY:  # they open what follows
                i -= 1
        return i, held
