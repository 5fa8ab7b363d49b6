"""What one context was told: kept until its end, so that it can be said again over another socket."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from streamer.types import (
    Cancel,
    Command,
    Continue,
    Continued,
    End,
    Event,
    Flush,
    Interrupt,
    OptionsUpdate,
    Pause,
    Paused,
    Played,
    Start,
    Text,
)

Asked: TypeAlias = Pause | Continue | Interrupt | Cancel
"""What is answered."""


class Said:
    """The log of one context. What it holds is bounded by what a server takes of one context."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.played: Played | None = None
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

    def piece(self, text: str, mark: str | None, options: OptionsUpdate | None) -> Text:
        """The next piece of text, with its place: text that crosses the end of its context on the wire
        would else begin another."""
        command = Text(self.start.context, text, self.length, mark, options)
        self.length += len(text)
        self._add(command)
        return command

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
        """An event may be an answer; what was asked before it has had its own, or needs none."""
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
        for command, end in zip(self._log[begin:], self._ends[begin:], strict=True):
            if not isinstance(command, Text):
                yield command
            elif not command.text:
                if not ended:  # behind an `end` that has come no text is taken, not even none
                    yield command
            elif end > characters:
                yield _from(command, characters)
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
