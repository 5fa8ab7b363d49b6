"""How long a speaker rests between two segments: by the mark the first one ends with."""

from __future__ import annotations

from streamer.text.marks import (
    CLAUSE_MARKS,
    CLOSING,
    EMOJI,
    STOPS,
    WIDE_CLAUSE_MARKS,
    WIDE_STOPS,
)
from streamer.types import Reason

PAUSES: dict[str, float] = {
    **dict.fromkeys(CLAUSE_MARKS + WIDE_CLAUSE_MARKS, 0.15),
    **dict.fromkeys(";；؛:：", 0.20),
    **dict.fromkeys(STOPS + WIDE_STOPS, 0.35),
    "…": 0.45,
}
"""Seconds of silence behind a mark; between a reader's breath (0.5 s) and a comma's rest (0.1 s)."""

LINE = 0.40
"""Behind a line without a mark: a heading, an item of a list."""

JOIN = 0.05
"""Between words that were only cut because text paused or was too long: heard as no pause at all."""


def pause_after(text: str, reason: Reason) -> float:
    """Seconds of silence between a segment of this text and the next one."""
    if reason == "end":
        return 0.0
    end = len(text)
    while end and (
        text[end - 1].isspace() or text[end - 1] in CLOSING or EMOJI.match(text[end - 1])
    ):
        end -= 1
    last = text[end - 1] if end else ""
    if last == "." and text[max(0, end - 3) : end] == "...":
        last = "…"
    if last in PAUSES:
        return PAUSES[last]
    if reason == "sentence":
        return LINE
    return JOIN
