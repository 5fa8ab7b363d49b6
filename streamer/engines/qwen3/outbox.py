"""What was made of a context's text and waits to be taken, and what its listener has with that."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from streamer.engines.base import Lead
from streamer.engines.qwen3.plans import FRAME_SECONDS
from streamer.engines.qwen3.speaking import Made
from streamer.engines.qwen3.tracks import Track

AHEAD_FRAMES = 64
"""Frames of former sequences that nobody has taken, with which no further one is begun: 5 s."""


class Outbox:
    """Of one context. Its sequences say `begun` and `over`, one after the other."""

    def __init__(self, lead: Lead) -> None:
        self._lead = lead
        self._items: deque[Made | Exception | None] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._before = 0
        """Frames of the sequences before the one that is being spoken."""
        self._taken = 0
        self._track: Track | None = None
        self.patient = lead() == math.inf
        """Whether nobody listens."""

    def begun(self, track: Track) -> None:
        self._track = track

    def over(self, track: Track) -> None:
        self._track, self._before = None, self._before + track.handed

    def put(self, item: Made | Exception | None) -> None:
        """None: the end."""
        self._items.append(item)
        self._filled.set()

    def fail(self, error: Exception) -> None:
        """End with this, at once."""
        self._items.clear()
        self.put(error)

    async def take(self) -> Made | None:
        """The next; None at the end. Raises what it ended with."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        if not self._items:
            self._emptied.set()
        if isinstance(item, Exception):
            raise item
        if item is not None:
            self._taken += item.frames
        return item

    async def room(self) -> None:
        """Wait until another sequence may be begun: where no lead makes one rest (nobody listens, or nobody
        fetches), once what was made before is taken."""
        while self._items and (self.patient or self._before - self._taken > AHEAD_FRAMES):
            self._emptied.clear()
            await self._emptied.wait()

    def lead(self) -> float:
        """What the listener has, with all that waits here. The worker's thread asks."""
        seconds, track = self._lead(), self._track
        handed = self._before + (track.handed if track else 0)
        if seconds == math.inf or not handed:
            return seconds
        waits = FRAME_SECONDS * max(0, handed - self._taken)
        return waits if seconds == -math.inf else seconds + waits
