"""One block of WebVTT or SRT: an identifier, the times, the text.

webvtt-py reads it, a block at a time and never a file. pysubs2 loses `<v Name>` and identifiers (its model is
ASS's), srt reads no WebVTT and looks for the end of a cue through all that follows, pycaption wants a whole
file and brings lxml, BeautifulSoup and cssutils.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import webvtt

ARROW = "-->"
_TIME = r"(?:(\d{1,10}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,9}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-{{1,3}}>\s*{_TIME}(?=\s|$)(.*)")
"""Times as they are found: a comma or a dot or neither, without hours, with as many digits as it pleases."""
_NOT_CUES = ("NOTE", "STYLE", "REGION", "WEBVTT")


@dataclass(frozen=True, slots=True)
class Block:
    """`text` has its markup and its lines. `id` is what the file calls it, or ""."""

    id: str
    start_ms: float
    end_ms: float
    text: str


def is_timing(line: str) -> bool:
    """Whether a line says when a cue is shown."""
    return _TIMING.match(line) is not None


def is_number(line: str) -> bool:
    """Whether a line may be the number of a cue of SRT."""
    return line.strip().isdecimal()


def is_comment(lines: Sequence[str]) -> bool:
    """Whether it is one of WebVTT's blocks that are no cues: a comment, a style, a region, a header."""
    first = lines[0].split(maxsplit=1)[:1]
    return bool(first) and first[0] in _NOT_CUES and not any(ARROW in line for line in lines)


def identifier(lines: Sequence[str]) -> str:
    """What a block calls itself, whether it can be read or not."""
    return "" if ARROW in lines[0] else lines[0].strip()


def read_block(lines: Sequence[str]) -> Block | None:
    """None: it is no cue, or its times are none."""
    at = next((i for i, line in enumerate(lines[:2]) if ARROW in line), None)
    if at is None or (found := _TIMING.match(lines[at])) is None:
        return None
    start, end, settings = _clock(found.groups()[:4]), _clock(found.groups()[4:8]), found[9]
    text = "\n".join((*lines[:at], f"{start} {ARROW} {end}{settings}", *lines[at + 1 :]))
    captions = webvtt.from_string(f"WEBVTT\n\n{text}\n").captions
    if len(captions) != 1:
        return None
    cue = captions[0]
    return Block(
        (cue.identifier or "").strip(),
        float(cue.start_time.in_milliseconds()),
        float(cue.end_time.in_milliseconds()),
        cue.raw_text,
    )


def _clock(fields: Sequence[str | None]) -> str:
    """A time as WebVTT writes it."""
    hours, minutes, seconds, fraction = fields
    return f"{hours or '0'}:{minutes}:{seconds}.{(fraction or '0')[:3]}"
