"""Text of WebVTT or SRT, cut anywhere, to cues: a block at a time."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Iterator

from streamer.text.captions.blocks import (
    ARROW,
    identifier,
    is_comment,
    is_number,
    is_timing,
    read_block,
)
from streamer.text.captions.cleaner import Cleaner
from streamer.text.captions.cues import Dropped, ParsedCue
from streamer.text.captions.formats import HEAD, Format, format_of
from streamer.types import Descriptions

MOST_BLOCK = 64 * 1024
"""Characters of a block; a longer one is no caption, and is passed over without being kept."""
MOST_ID = 128
_IDS = 1024
"""Identifiers that are remembered, to tell a correction from a name that is used twice."""
_ENDS = re.compile(r"\r\n|\r|\n")


class CueReader:
    """Text in, cues out: the same ones however the text is cut. A block ends at an empty line.

    Raises `InvalidCaptions` for text that is neither WebVTT nor SRT, from `push` as soon as that can be
    told; after that nothing is to be asked of it. Nothing else is an error: a block that can't be read is
    `Dropped` ("invalid"). `speakers` and `descriptions` are as in `Cleaner`.

    A cue without a name is numbered. The same name at the same time is the same cue, corrected; at another
    time it is another cue and gets another name.
    """

    def __init__(
        self, *, speakers: Collection[str] = (), descriptions: Descriptions = "skip"
    ) -> None:
        self._cleaner = Cleaner(speakers=speakers, descriptions=descriptions)
        self._format: Format | None = None
        self._head: list[str] = []
        self._line: list[str] = []
        self._line_length = 0
        self._returned = False
        """The last character was "\\r": a "\\n" behind it belongs to it."""
        self._block: list[str] = []
        self._length = 0
        self._passing = False
        """The rest of a block that is too long."""
        self._count = 0
        self._highest = -1
        self._ids: OrderedDict[str, float] = OrderedDict()
        self._number = ""
        """Of SRT: a number that stands alone. It may be the next cue's."""
        self._last: tuple[str, float, float, str] | None = None
        """The cue that lines without times go on: of SRT behind an empty line too, else behind a flush."""
        self._goes_on = False
        """A flush has ended the block, and no empty line yet."""

    @property
    def open(self) -> bool:
        """Whether a cue waits for the end of its block that has text already, and no half line."""
        block = self._block
        if self._line or not block or self._named():
            return False
        if self._goes_on and not any(map(is_timing, block[:2])):
            return not is_number(block[-1])
        at = next((i for i, line in enumerate(block[:2]) if is_timing(line)), len(block))
        return any(map(str.strip, block[at + 1 :]))

    def push(self, text: str) -> list[ParsedCue | Dropped]:
        """The cues whose blocks have ended."""
        cues = [cue for line in self._lines(text) for cue in self._take(line)]
        if self._format is None and sum(map(len, self._head)) + self._line_length >= HEAD:
            cues += self._decide(final=True)
        return cues

    def flush(self) -> list[ParsedCue | Dropped]:
        """The open block ends here. More may follow, also of its cue: lines before an empty one go on with
        it, and it comes once more, longer."""
        cues = self._take(self._ended()) if self._line else []
        if self._format is None and self._head:
            cues += self._decide(final=True)
        before, block = self._last, self._block
        cues += self._close()
        if block:
            self._goes_on = self._last is not before and self._last is not None
        last = self._last if self._goes_on and self._last and self._last[3].strip() else None
        cues += self._settle()
        self._last = last
        self._number = ""
        return cues

    def _lines(self, text: str) -> Iterator[str]:
        """The lines that are whole."""
        position = 1 if self._returned and text.startswith("\n") else 0
        for end in _ENDS.finditer(text, position):
            self._keep(text[position : end.start()])
            position = end.end()
            yield self._ended()
        self._keep(text[position:])
        if text:
            self._returned = text.endswith("\r")

    def _keep(self, piece: str) -> None:
        """More of the open line, as much of it as a block may have."""
        if piece and self._line_length <= MOST_BLOCK:
            piece = piece[: MOST_BLOCK + 1 - self._line_length]
            self._line.append(piece)
            self._line_length += len(piece)

    def _ended(self) -> str:
        line = "".join(self._line)
        self._line.clear()
        self._line_length = 0
        return line

    def _take(self, line: str) -> list[ParsedCue | Dropped]:
        if self._format is None:
            if not self._head:
                line = line.removeprefix("\ufeff")
            if self._head or line.strip():
                self._head.append(line + "\n")
                return self._decide(final=sum(map(len, self._head)) >= HEAD)
            return []
        cues: list[ParsedCue | Dropped] = []
        if not line or (self._format == "SRT" and line.isspace()):
            cues = self._close()
            self._goes_on = False
            return cues
        if self._begins(line):
            name = self._block.pop() if self._named() else None
            cues = self._close()
            self._block = [] if name is None else [name]
        elif self._passing:
            return []
        self._block.append(line)
        self._length += len(line) + 1
        if self._length > MOST_BLOCK:
            if not is_comment(self._block):
                cues += [*self._settle(), self._invalid(self._block)]
            self._block = []
            self._passing = True
        return cues

    def _begins(self, line: str) -> bool:
        """Whether this line begins another block although no empty line is before it."""
        if self._passing or self._format == "SRT":
            if not is_timing(line):
                return False
        elif ARROW not in line:
            return False
        block = self._block
        return self._passing or bool(
            block and (len(block) > 1 or ARROW in block[0] or block[0].startswith("WEBVTT"))
        )

    def _named(self) -> bool:
        """Whether the open block's last line is the number of the next cue."""
        block = self._block
        if len(block) < 2 or not is_number(block[-1]):
            return False
        return self._format == "SRT" or block[-2].isspace()

    def _close(self) -> list[ParsedCue | Dropped]:
        lines, self._block = self._block, []
        self._length = 0
        self._passing = False
        if lines and self._goes_on and not any(ARROW in line for line in lines[:2]):
            return self._extend(lines)
        if not lines or (self._format == "WebVTT" and is_comment(lines)):
            return []
        if self._format == "SRT":
            if not any(ARROW in line for line in lines[:2]):
                return self._extend(lines)
            if self._number and ARROW in lines[0]:
                lines = [self._number, *lines]
            self._number = ""
        block = read_block(lines)
        if block is None:
            return [*self._settle(), self._invalid(lines)]
        cues = self._settle()
        name = self._name(block.id, block.start_ms)
        self._last = name, block.start_ms, block.end_ms, block.text
        if self._format == "SRT" and not block.text.strip():
            return cues  # its text may be behind an empty line
        return cues + self._cleaner.clean(*self._last)

    def _extend(self, lines: list[str]) -> list[ParsedCue | Dropped]:
        """Text without times belongs to the cue before it."""
        number = self._format == "SRT" and len(lines) == 1 and is_number(lines[0])
        if number and not self._number:
            self._number = lines[0]
            return []
        if self._last is None:
            return [self._invalid(lines)]
        name, start, end, text = self._last
        more = "\n".join(([self._number] if self._number else []) + lines)
        self._number = ""
        if len(text) + len(more) > MOST_BLOCK:
            return []
        self._last = name, start, end, f"{text}\n{more}"
        return self._cleaner.clean(*self._last)

    def _settle(self) -> list[ParsedCue | Dropped]:
        """No more text comes for the cue before."""
        last, self._last = self._last, None
        if last is None or self._format != "SRT" or last[3].strip():
            return []
        return self._cleaner.clean(*last)

    def _invalid(self, lines: list[str]) -> Dropped:
        self._count += 1
        name = identifier(lines)
        return Dropped(name if 0 < len(name) <= MOST_ID else str(self._count), "invalid")

    def _name(self, name: str, start_ms: float) -> str:
        """What a cue is called here: once, but for its corrections."""
        self._count += 1
        if not 0 < len(name) <= MOST_ID:
            name = str(self._count)
        known = self._ids.get(name)
        if known == start_ms:
            return name
        number = int(name) if name.isdecimal() else None
        if known is not None or (number is not None and number <= self._highest):
            name = f"{name}#{self._count}"
        elif number is not None:
            self._highest = number
        self._ids[name] = start_ms
        if len(self._ids) > _IDS:
            self._ids.popitem(last=False)
        return name

    def _decide(self, *, final: bool) -> list[ParsedCue | Dropped]:
        """Which format it is; what was held until then is read."""
        head = ("".join(self._head) + "".join(self._line))[:HEAD]
        self._format = format_of(head, final=final)
        if self._format is None:
            return []
        lines, self._head = self._head, []
        return [cue for line in lines for cue in self._take(line[:-1])]
