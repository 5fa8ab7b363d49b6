"""Captions as a file: WebVTT (W3C, with a timestamp before each word) and SubRip.

`head()` and then each `push` are the file, in order; nothing is held back. Within one file no caption ends
before it begins, none begins before the one before it did, and one that is shorter than 1 ms lasts that long.
"""

from __future__ import annotations

import re

from streamer.text.marks import OPENING
from streamer.types import Caption

VTT = "text/vtt; charset=utf-8"
SRT = "application/x-subrip; charset=utf-8"
"""Content types. That of WebVTT is registered; SubRip has none, and this is what players know."""

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_BREAKS = re.compile(r"[^\S\u00a0\u202f]*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
"""What any reader might take for the end of a line."""
_NOT_IN_AN_ID = re.compile(r"(?:-->|\s)+")


class VttWriter:
    """WebVTT. A caption of a cue has its id, the first of several."""

    def __init__(self, sample_rate: int) -> None:
        self._clock = _Clock(sample_rate)
        self._id: str | None = None

    def head(self) -> str:
        return "WEBVTT\n\n"

    def push(self, caption: Caption) -> str:
        start, end = self._clock.span(caption)
        known, self._id = self._id, caption.cue
        name = _NOT_IN_AN_ID.sub(" ", caption.cue or "").strip() if caption.cue != known else ""
        timing = f"{_time(start)} --> {_time(end)}"
        block = f"{timing}\n{self._text(caption, start, end)}\n\n"
        return f"{name}\n{block}" if name else block

    def _text(self, caption: Caption, start: int, end: int) -> str:
        text, at, pieces = _clean(caption.text), 0, []
        for word in caption.words:
            found = _spelt(word.text).search(text, at)
            if found is None:
                continue
            before, begin = found.start(), self._clock.ms(word.start)
            while before > at and text[before - 1] in OPENING:
                before -= 1
            pieces.append(text[at:before].translate(_ESCAPES))
            if start < begin < end:  # so each is later than the one before, as the format asks
                pieces.append(f"<{_time(begin)}>")
                start = begin
            pieces.append(text[before : found.end()].translate(_ESCAPES))
            at = found.end()
        return "".join(pieces) + text[at:].translate(_ESCAPES)


class SrtWriter:
    """SubRip, which has neither word times nor escapes."""

    def __init__(self, sample_rate: int) -> None:
        self._clock = _Clock(sample_rate)
        self._count = 0

    def head(self) -> str:
        return ""

    def push(self, caption: Caption) -> str:
        start, end = self._clock.span(caption)
        self._count += 1
        timing = f"{_time(start, ',')} --> {_time(end, ',')}"
        text = _clean(caption.text).replace("-->", "--\u200b>")  # which reads like a time
        return f"{self._count}\n{timing}\n{text}\n\n"


class _Clock:
    """Samples to milliseconds, in order."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._least = 0

    def ms(self, samples: int) -> int:
        return (samples * 1000 + self._rate // 2) // self._rate

    def span(self, caption: Caption) -> tuple[int, int]:
        """When it begins and ends. One that had to be made longer moves the next."""
        start = max(self._least, self.ms(caption.start))
        end = self.ms(caption.end)
        self._least = start if end > start else start + 1
        return start, max(end, start + 1)


def _time(ms: int, point: str = ".") -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _clean(text: str) -> str:
    """Lines none of which is empty, so that none ends its block."""
    return _BREAKS.sub("\n", text.replace("\0", "\ufffd")).strip()


def _spelt(word: str) -> re.Pattern[str]:
    """A word, wherever lines were broken in it."""
    return re.compile(r"\s*".join(re.escape(character) for character in "".join(word.split())))
