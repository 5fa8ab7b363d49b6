"""Which segments share a sequence, and what of it is whose. No torch, no asyncio.

A sequence speaks many segments with one voice, in one breath: so the voice does not drift, and no seam is
heard. Its text is the segments' texts, joined; ids come out as soon as no further text can change them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from streamer.engines.qwen3.borders import Aligner
from streamer.text.alignment import expected_seconds
from streamer.types import Options, PcmChunk, Samples, Segment

MOST = 300
"""Letters of a sequence, unless its first segment alone has more. Long ones drift, and lose their end
(QwenLM/Qwen3-TTS issue 68); a wide character, which takes as long as three letters, counts so."""
SLIVER = 120
"""Samples that a segment has at least, however wrong its border was guessed."""


class Ids(Protocol):
    """Of text that grows: `tokenizer.Pieces`."""

    def push(self, text: str) -> list[int]: ...

    def flush(self) -> list[int]: ...


@dataclass(slots=True)
class Member:
    """A segment of a sequence. `row`: the number of the first row of text that may be its own; `whole`: no
    piece of it is to come."""

    segment: Segment
    row: int
    whole: bool


class Sequence:
    """The text of one sequence: `add` while it `takes`, then `end`. `ids` are all so far."""

    def __init__(self, ids: Ids, options: Options) -> None:
        self.options = options
        self.members: list[Member] = []
        self.ids: list[int] = []
        self.ended = False
        self.text = ""
        self._ids = ids
        self._letters = 0

    @property
    def between(self) -> bool:
        """Whether its text so far ends with a segment."""
        return not self.members or self.members[-1].whole

    @property
    def full(self) -> bool:
        """Whether it takes no segment that is not begun."""
        return self.ended or (self.between and self._letters >= MOST)

    @property
    def rows(self) -> int:
        """Rows of text, the end's with them once it has ended."""
        return len(self.ids) + self.ended

    @property
    def expected_s(self) -> float:
        return expected_seconds(self.text)

    def takes(self, segment: Segment) -> bool:
        if not self.between:
            return segment.index == self.members[-1].segment.index
        fits = not self.members or self._letters + _letters(segment.text) <= MOST
        return fits and not self.full and same(segment.options, self.options)

    def add(self, segment: Segment) -> list[int]:
        """A segment that it takes, or a piece of one. Ids that are certain now."""
        if self.between:
            self.members.append(Member(segment, len(self.ids), not segment.more))
            text = joint(self.text, segment.text) + segment.text
        else:
            member, text = self.members[-1], segment.text
            text_so_far = member.segment.text + text
            member.segment = replace(member.segment, text=text_so_far, more=segment.more)
            member.whole = not segment.more
        self.text += text
        self._letters += _letters(text)
        return self._certain(self._ids.push(text))

    def end(self) -> list[int]:
        """No further text: the last ids, without the end's row."""
        self.ended = True
        return self._certain(self._ids.flush())

    def _certain(self, ids: list[int]) -> list[int]:
        self.ids += ids
        return ids


class Cutter:
    """A sequence's sound as chunks of its segments: cut by an aligner, where each has some sound."""

    def __init__(self, sequence: Sequence, aligner: Aligner) -> None:
        self._members = sequence.members
        self._aligner = aligner
        self._held: Samples = np.zeros(0, np.float32)
        self._begun = -1
        self.at = 0
        """The member that is being spoken."""

    def add(self, segment: Segment) -> None:
        """What was added to the sequence."""
        self._aligner.add(segment.text)
        if not segment.more:
            self._aligner.close()

    def push(self, samples: Samples) -> list[PcmChunk]:
        chunks = []
        for piece in self._aligner.push(samples):
            sound = np.concatenate((self._held, piece.samples))
            waiting = len(self._members) - 1 - piece.segment
            kept = 0 if piece.last else min(SLIVER * waiting, len(sound) // 2)
            self._held = sound[len(sound) - kept :]
            chunks.append(self._chunk(piece.segment, sound[: len(sound) - kept], last=piece.last))
        return chunks

    def end(self, heard: int | None = None) -> tuple[list[PcmChunk], list[Segment]]:
        """The rest, and the segments that are still to be said. `heard`: only so many rows of text went
        into it before it was cut off, so that what was being said is lost; None: all was said."""
        members, again = self._members, list[Segment]()
        while heard is not None and len(members) > self.at + 1 and members[-1].row >= heard:
            again.insert(0, members.pop().segment)
        sounds = [piece.samples for piece in self._aligner.flush(heard is None)][
            : len(members) - self.at
        ]
        sounds[0] = np.concatenate((self._held, sounds[0]))
        for n in range(1, len(sounds)):
            if not len(sounds[n]):
                at = len(sounds[n - 1]) - min(SLIVER, len(sounds[n - 1]) // 2)
                sounds[n - 1], sounds[n] = sounds[n - 1][:at], sounds[n - 1][at:]
        lost, at = heard is not None, self.at
        return [
            self._chunk(number, sound, last=True, lost=lost)
            for number, sound in enumerate(sounds, at)
        ], again

    def _chunk(self, at: int, samples: Samples, *, last: bool, lost: bool = False) -> PcmChunk:
        joins = at > 0 and self._begun < at
        self._begun = max(self._begun, at)
        self.at = at + last
        index = self._members[at].segment.index
        return PcmChunk(samples, index, last=last, lost=lost, joins=joins)


def same(one: Options, other: Options) -> bool:
    """Whether both are spoken alike. What a voice is made of is compared by identity: it is arrays."""
    plain = [replace(o, voice=replace(o.voice, data=None)) for o in (one, other)]
    return plain[0] == plain[1] and one.voice.data is other.voice.data


def _letters(text: str) -> int:
    return sum(3 if wide(character) else 1 for character in text)


def joint(before: str, after: str) -> str:
    """What stands between two segments' texts: a space where that is how sentences are parted."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    return "" if wide(before[-1]) or wide(after[0]) else " "


def wide(character: str) -> bool:
    """Of a script without spaces: Han, Kana and their marks; not Hangul."""
    if unicodedata.east_asian_width(character) not in "WF":
        return False
    return not unicodedata.name(character, "").startswith("HANGUL")
