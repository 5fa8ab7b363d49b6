"""Captions among the events of a context that may be paused."""

from __future__ import annotations

from collections import deque

from streamer.captions.captioner import Captioner
from streamer.types import Caption, Continued, Event, Start


class LiveCaptions:
    """A `Captioner` whose captions count once they were `sent`, and none at all where nobody asked for
    them. What was made and not sent before a pause is made again, of what was heard of it."""

    def __init__(self, start: Start, sample_rate: int) -> None:
        self._captioner = Captioner(start.context, sample_rate) if start.captions else None
        self._made: deque[Caption] = deque()

    def push(self, event: Event) -> list[Caption]:
        if self._captioner is None:
            return []
        if isinstance(event, Continued):
            self._captioner.take_back(self._made)
            self._made.clear()
        return self._noted(self._captioner.push(event))

    def flush(self) -> list[Caption]:
        return [] if self._captioner is None else self._noted(self._captioner.flush())

    def sent(self) -> None:
        """The first of those that were made."""
        self._made.popleft()

    def _noted(self, captions: list[Caption]) -> list[Caption]:
        self._made += captions
        return captions
