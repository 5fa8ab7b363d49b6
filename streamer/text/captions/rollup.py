"""Captions that show again what was shown: lines that roll up, text that is painted on, a cue of 10 ms that
holds the line still (YouTube's automatic captions). What was said is not said twice."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

_GAP_MS = 500.0
"""Lines that roll up are not taken off the screen in between."""
_SAME_MS = 100.0
_HELD_MS = 50.0
_MOST = 2000
"""Characters of a cue that is looked at; nobody shows more at once."""
_CUES = 32
"""Cues that can still be corrected against what was shown before them."""
_PATIENCE = 4
"""Cues without anything repeated until captions are taken not to roll up any more."""
_LEAST_WORDS = 5
"""So many words at the end of one cue and the beginning of the next are no chance, wherever lines break."""
_WHOLE_WORDS = 3
"""Fewer words may be said again: "No." "No.", "Yes" "Yes please"."""
_STOPS = (".", "?", "!", "…", '"', "”", "。", "？", "！")

_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef]"
)
"""Characters of scripts that put no blanks between words."""


@dataclass(frozen=True, slots=True)
class _Shown:
    lines: tuple[str, ...] = ()
    start_ms: float | None = None
    end_ms: float | None = None
    grew: bool = False
    """Whether it goes on from so few words that this may be chance. It is none if the next goes on, too."""


class RollUp:
    """Remembers what is on the screen. Lines have single blanks, as `markup` leaves them."""

    def __init__(self) -> None:
        self._last = ""
        self._shown = _Shown()
        self._before: OrderedDict[str, _Shown] = OrderedDict()
        self._rolling = 0

    def repeated(
        self, id: str, start_ms: float | None, end_ms: float | None, lines: Sequence[str]
    ) -> tuple[int, int]:
        """How much of a cue was shown before it: so many lines, and so many characters of the next one. The
        same `id` again is the same cue, corrected."""
        if not lines:
            return 0, 0
        small = sum(map(len, lines)) <= _MOST
        now = _Shown(tuple(lines) if small else (), start_ms, end_ms)
        before = self._before.get(id)
        if before is None:
            before = self._before[id] = self._shown
            if len(self._before) > _CUES:
                self._before.popitem(last=False)
            self._last = id
        follows = before.lines and now.lines and _follows(before, now, _GAP_MS)
        line, character = _overlap(before.lines, now.lines) if follows else (0, 0)
        by_chance = character and not self._rolling and not before.grew
        if by_chance and _words_of(now.lines, line, character) < _WHOLE_WORDS:
            now, line, character = replace(now, grew=True), 0, 0
        if id == self._last:
            self._shown = now
        if not follows:
            return 0, 0
        if line == len(lines) and not self._held(before, now):
            return 0, 0
        if not line and not character:
            self._rolling = max(0, self._rolling - 1)
        elif line < len(lines):
            self._rolling = _PATIENCE
        return line, character

    def _held(self, before: _Shown, now: _Shown) -> bool:
        """Whether a cue that says nothing new is still the one before, and not said once more."""
        if self._rolling or len(before.lines) > len(now.lines):
            return True
        if (before.start_ms, before.end_ms) == (now.start_ms, now.end_ms) != (None, None):
            return True
        start, end = now.start_ms, now.end_ms
        if start is not None and end is not None and end - start <= _HELD_MS:
            return True
        words = sum(len(line.split()) for line in now.lines)
        return start is not None and words >= _WHOLE_WORDS and _follows(before, now, _SAME_MS)


def _follows(before: _Shown, now: _Shown, gap_ms: float) -> bool:
    if before.start_ms is None or now.start_ms is None:
        return True  # who sends no times sends them as they come
    if before.end_ms is None:
        return now.start_ms >= before.start_ms
    return before.start_ms <= now.start_ms <= before.end_ms + gap_ms


def _overlap(before: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """Lines and characters at the beginning of `now` that are the end of `before`."""
    if any(
        tuple(before[i : i + len(now)]) == tuple(now) for i in range(len(before) - len(now) + 1)
    ):
        return len(now), 0
    last = before[-1]
    for count in range(min(len(before), len(now)), 0, -1):
        if tuple(before[-count:-1]) != tuple(now[: count - 1]):
            continue
        line = now[count - 1]
        if line == last:
            return count, 0
        if line.startswith(last) and not last.endswith(_STOPS):
            if line[len(last)] == " ":
                return count - 1, len(last) + 1
            if _UNSPACED.match(line, len(last)):
                return count - 1, len(last)
            if (cut := last.rfind(" ") + 1) or count > 1:  # the last word was not whole
                return count - 1, cut
    return _words(before, now)


def _words_of(lines: Sequence[str], line: int, character: int) -> int:
    """How many words so much of these lines is; a character is one where no blanks are between them."""
    text = " ".join([*lines[:line], lines[line][:character]])
    return len(text.split()) if _UNSPACED.search(text) is None else len(text)


def _words(before: Sequence[str], now: Sequence[str]) -> tuple[int, int]:
    """The same by words, where lines break at other places than before."""
    old = " ".join(before).split()
    new = " ".join(now).split()
    for count in range(min(len(old), len(new)), _LEAST_WORDS - 1, -1):
        if old[-count] == new[0] and old[-count:] == new[:count]:
            return _place(now, count)
    return 0, 0


def _place(lines: Sequence[str], words: int) -> tuple[int, int]:
    """Where the next word begins after so many."""
    for index, line in enumerate(lines):
        here = line.split()
        if words < len(here):
            return index, sum(len(word) + 1 for word in here[:words])
        words -= len(here)
    return len(lines), 0
