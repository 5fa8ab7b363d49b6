"""Captions of a file, long enough to be read: a pure stage that holds one back. Live ones are shown until
the next comes, and need none of this."""

from __future__ import annotations

from dataclasses import replace

from streamer.captions.captioner import LONGEST_S, PAUSE_S, SHORTEST_S
from streamer.captions.layout import LINE, width
from streamer.text.marks import IDEOGRAM
from streamer.types import Caption

GAP_S = 0.5
"""Netflix's Timed Text Style Guide: what is nearer than half a second follows without a gap."""
LINGER_S = 0.5
"""Where nothing follows, a caption stays for so long behind its last word."""


class Legible:
    """Captions with the times at which they are to be shown, none over the next one's start.

    A short one goes on a line of its own with the next, where both fit and are of one cue.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._held: Caption | None = None
        self._count = 0

    def push(self, caption: Caption) -> list[Caption]:
        held = self._held
        if held is not None and (joined := self._joined(held, caption)) is not None:
            self._held = joined
            return []
        self._held = caption
        return [] if held is None else [self._shown(held, caption.start)]

    def flush(self) -> list[Caption]:
        held, self._held = self._held, None
        return [] if held is None else [self._shown(held, None)]

    def _shown(self, caption: Caption, following: int | None) -> Caption:
        shortest, linger = round(SHORTEST_S * self._rate), round(LINGER_S * self._rate)
        wanted = max(caption.start + shortest, caption.end + linger)
        if following is not None:
            near = following - caption.end < GAP_S * self._rate
            wanted = following if near else min(wanted, following)
        longest = caption.start + round(LONGEST_S * self._rate)
        index, self._count = self._count, self._count + 1
        return replace(caption, index=index, end=max(caption.end, min(wanted, longest)))

    def _joined(self, one: Caption, other: Caption) -> Caption | None:
        """Both as one, where one of them would be gone before it is read."""
        short = min(other.start - one.start, other.end - other.start) < SHORTEST_S * self._rate
        apart = other.start - one.end > PAUSE_S * self._rate
        long = other.end - one.start > LONGEST_S * self._rate
        if not short or apart or long or one.cue != other.cue or one.end > other.start:
            return None
        if "\n" in one.text or "\n" in other.text:
            return None
        spaced = not (IDEOGRAM.match(other.text[:1]) or one.text[-1:] in "。！？，、；：」』）")
        line = one.text + " " * spaced + other.text
        text = line if width(line) <= LINE else f"{one.text}\n{other.text}"
        words = one.words + other.words
        return replace(one, text=text, end=other.end, words=words)
