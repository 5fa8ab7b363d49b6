"""What is told of a channel's sound: segments, words, captions, marks, each with its place on its clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from streamer.sound import characters_of
from streamer.types import Caption, Event, Mark, SegmentStarted, Timestamps, Word, Words

Thing = SegmentStarted | Words | Caption | Mark
MOST = 65536
"""Things that are kept: more than anybody says in five minutes."""
Place = Callable[[int], int]
"""A position on one clock as one on another."""


@dataclass(eq=False, slots=True)
class Told:
    """Positions are samples of the channel, those in `event` too. A segment ends where its last word does,
    as far as that is known."""

    start: int
    end: int
    event: Thing


class Story:
    """The latest of it, in the order in which it is told; `next` counts all there was."""

    def __init__(self) -> None:
        self._told: deque[Told] = deque()
        self._segment: Told | None = None
        self.next = 0
        self.segments = 0
        self.captions = 0
        self.captions_gone = 0
        """All captions that are gone were told before this number."""

    def add(self, thing: Thing) -> None:
        """The next thing. Segments and captions are numbered by the channel."""
        start, end = span_of(thing)
        if isinstance(thing, SegmentStarted):
            thing = replace(thing, index=self.segments)
            self.segments += 1
        elif isinstance(thing, Caption):
            thing = replace(thing, index=self.captions)
            self.captions += 1
        elif self._segment is not None:
            self._segment.end = max(self._segment.end, end)
        told = Told(start, end, thing)
        if isinstance(thing, SegmentStarted):
            self._segment = told
        self._told.append(told)
        self.next += 1

    @property
    def first(self) -> int:
        """Number of the oldest thing that is still here."""
        return self.next - len(self._told)

    def since(self, sequence: int) -> Iterator[Told]:
        """All from this one on, as far as it is here, as it is now."""
        return iter(list(islice(self._told, max(0, sequence - self.first), None)))

    def keep(self, position: int) -> None:
        """What ends before is told to nobody any more, nor what is one too many."""
        while self._told and (self._told[0].end < position or len(self._told) > MOST):
            if isinstance(self._told.popleft().event, Caption):
                self.captions_gone = self.first


def span_of(thing: Thing) -> tuple[int, int]:
    """Where it begins and ends."""
    match thing:
        case Words(words=words):
            return words[0].start, words[-1].end
        case Mark(pts=pts):
            return pts, pts
        case SegmentStarted(start=start):
            return start, start
        case Caption(start=start, end=end):
            return start, end


def moved(thing: Thing, context: str, at: Place, offset: int = 0) -> Thing:
    """The same on another clock, in a text that begins `offset` code points earlier."""
    match thing:
        case SegmentStarted():
            return replace(
                thing,
                context=context,
                start=at(thing.start),
                offset=thing.offset + offset,
                trace=None,
                shift=0,
            )
        case Words():
            return replace(thing, context=context, words=_moved(thing.words, at, offset))
        case Caption():
            return replace(
                thing,
                context=context,
                start=at(thing.start),
                end=at(thing.end),
                words=_moved(thing.words, at, offset),
            )
        case Mark():
            return replace(thing, context=context, pts=at(thing.pts))


def _moved(words: tuple[Word, ...], at: Place, offset: int) -> tuple[Word, ...]:
    return tuple(Word(w.text, at(w.start), at(w.end), w.offset + offset) for w in words)


def wanted(event: Event, timestamps: Timestamps, *, captions: bool) -> Event | None:
    """An event as one who asked for these is told it; None: not at all."""
    match event:
        case Caption():
            return event if captions else None
        case Words() if timestamps in ("none", "segment"):
            return None
        case Words() if timestamps == "char":
            return Words(event.context, tuple(characters_of(event.words)), "estimated", "char")
    return event
