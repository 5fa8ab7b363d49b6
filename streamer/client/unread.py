"""Events that have come and wait to be read, and how much memory they take."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from streamer.types import Audio, Caption, Event, Mark, Paused, SegmentStarted, Words


class Unread:
    """A queue. `held` is about what it takes in memory, in bytes."""

    def __init__(self) -> None:
        self.held = 0
        self._events: deque[Event] = deque()

    def __bool__(self) -> bool:
        return bool(self._events)

    def put(self, event: Event) -> None:
        self._events.append(event)
        self.held += _size(event)

    def get(self) -> Event:
        event = self._events.popleft()
        self.held -= _size(event)
        return event

    def clear(self) -> None:
        self._events.clear()
        self.held = 0

    def rewind(self, paused: Paused, begin: int) -> None:
        """Forget what comes again after a pause. `begin`: sample at which the first word begins that was not
        heard."""
        events = list(self._events)
        self.clear()
        for event in events:
            if (rest := _heard(event, paused, begin)) is not None:
                self.put(rest)


def _heard(event: Event, paused: Paused, begin: int) -> Event | None:
    """What of an event does not come again."""
    match event:
        case Audio():
            return event if event.packet.pts < begin else None
        case SegmentStarted():
            return event if event.offset < len(paused.heard_text) else None
        case Mark():
            return event if event.pts < begin else None
        case Caption():
            return event if event.start < begin else None
        case Words():
            words = tuple(word for word in event.words if word.end <= paused.played)
            return replace(event, words=words) if words else None
    return event


def _size(event: Event) -> int:
    """About what an event takes in memory, in bytes."""
    match event:
        case Audio():
            return 200 + len(event.packet.data)
        case Words():
            return 200 * (1 + len(event.words))
        case Caption():
            return 300 + 4 * len(event.text) + 200 * len(event.words)
        case SegmentStarted():
            return 300 + 4 * len(event.text)
    return 300
