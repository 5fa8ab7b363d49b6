"""What one context was told: kept until its end, so that it can be said again over another socket."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from streamer.client.cues import Cues
from streamer.errors import ContextConflict
from streamer.types import (
    Cancel,
    Command,
    Continue,
    Continued,
    Cue,
    End,
    Event,
    Flush,
    Interrupt,
    Late,
    OptionsUpdate,
    Pause,
    Paused,
    Played,
    SegmentStarted,
    Skipped,
    Start,
    Subscribe,
    Text,
)

Asked: TypeAlias = Pause | Continue | Interrupt | Cancel
"""What is answered."""


class Said:
    """The log of one context. What it holds is bounded by what a server takes of one context; of cues it
    holds `bound` bytes at most."""

    def __init__(self, start: Start | Subscribe, bound: int) -> None:
        self.start = start
        self.played: Played | None = None
        self.cues = Cues(bound)
        self.asked: list[Asked] = []
        """What waits for its answer."""
        self.length = 0
        """Code points of the input so far."""
        self._log: list[Text | Flush | End] = []
        self._ends: list[int] = []

    @property
    def text(self) -> str:
        """The input so far."""
        return "".join(command.text for command in self._log if isinstance(command, Text))

    @property
    def clocked(self) -> bool:
        """Its clock does not stop for a pause."""
        start = self.start
        return (
            isinstance(start, Subscribe) or start.input == "captions" or start.channel is not None
        )

    def piece(self, text: str, mark: str | None, options: OptionsUpdate | None) -> Text:
        """The next piece of text, with its place: text that crosses the end of its context on the wire
        would else begin another."""
        command = Text(self.start.context, text, self.length, mark, options)
        self.length += len(text)
        self._add(command)
        return command

    def cue(
        self, text: str, id: str, start_ms: float | None, end_ms: float | None, voice: str | None
    ) -> Cue:
        """A cue; one without an id gets one, for it could not be said twice. Raises `ContextConflict`,
        `TextLimit`."""
        if not (isinstance(self.start, Start) and self.start.input == "captions"):
            raise ContextConflict("cues are for a context of captions", param="input")
        named = id or self.cues.number()
        cue = Cue(self.start.context, text, named, start_ms, end_ms, voice)
        self.cues.add(cue, len(self._log))
        return cue

    def flush(self) -> Flush:
        command = Flush(self.start.context)
        self._add(command)
        return command

    def end(self) -> End:
        command = End(self.start.context)
        self._add(command)
        return command

    def ask(self, command: Asked) -> None:
        """It waits for an answer. After a word that ends the context no other needs to be said again."""
        if isinstance(command, Interrupt | Cancel):
            self.asked.clear()
        self.asked.append(command)

    def answered(self, event: Event) -> None:
        """An event may be an answer; what was asked before it has had its own, or needs none. Or it tells of
        a cue."""
        if isinstance(event, SegmentStarted | Late | Skipped) and event.cue is not None:
            self.cues.told(event.cue)
        kind = {Paused: Pause, Continued: Continue}.get(type(event))
        asked = [type(command) for command in self.asked]
        if kind in asked:
            del self.asked[: asked.index(kind) + 1]

    def anew(self) -> Iterator[Command]:
        """Everything, for a server that never heard of the context."""
        yield self.start
        yield from self.again(0)

    def again(self, characters: int) -> Iterator[Command]:
        """What a server may lack that has so many characters of the input. What stands right behind them
        and is no text may have come there too: twice, it does no harm."""
        begin = bisect_left(self._ends, characters)
        ended = bool(self._log) and isinstance(self._log[-1], End) and characters >= self.length
        cues = deque(self.cues.behind(begin))
        for place in range(begin, len(self._log)):
            command, end = self._log[place], self._ends[place]
            while cues and cues[0][0] <= place:
                yield cues.popleft()[1]
            if not isinstance(command, Text):
                yield command
            elif not command.text:
                if not ended:  # behind an `end` that has come no text is taken, not even none
                    yield command
            elif end > characters:
                yield _from(command, characters)
        yield from (cue for _, cue in cues)
        if self.played is not None:
            yield self.played
        yield from self.asked

    def _add(self, command: Text | Flush | End) -> None:
        self._log.append(command)
        self._ends.append(self.length)


def _from(command: Text, characters: int) -> Text:
    """What of a piece lies behind so many characters of the input."""
    assert command.at is not None
    if characters <= command.at:
        return command
    rest = command.text[characters - command.at :]
    return replace(command, text=rest, at=characters, mark=None, options=None)
