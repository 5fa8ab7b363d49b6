"""Takes of the cues that wait, made ahead one after the other, as far as is reasonable to hold."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from streamer.captions.cues import Queue, Waiting
from streamer.captions.fitting import Fitting
from streamer.captions.takes import Takes
from streamer.captions.track import Track
from streamer.errors import StreamerError
from streamer.tasks import ended

AHEAD = 16
"""Cues that are made and wait."""
AHEAD_S = 30.0
"""How much sound of theirs; and how long before their time, where somebody listens: until then they are
likely to be corrected."""
MERGED = 4
"""At most so many are said in one breath; so many are made, however long they are."""
LOOK_S = 0.5
"""How often it is looked whether a cue's time has come near."""
SOON_S = 0.5
"""A cue that is due so soon is not asked for again: it is stretched."""


class Making:
    """`lead` is how many seconds of sound the listener still has, of what was read off the `track`; `told`
    is called when something is made. `live`: somebody listens, and the clock does not wait."""

    def __init__(
        self,
        queue: Queue,
        track: Track,
        takes: Takes,
        fitting: Fitting,
        rate: int,
        *,
        lead: Callable[[], float],
        clock: Callable[[], float],
        told: Callable[[], None],
        live: bool,
    ) -> None:
        self.characters = 0
        """That engines were given, and what that cost: once each, also if it was said again faster."""
        self.cost = 0.0
        self.engines: list[str] = []
        self.hurried = 0
        """Cues that were said again, faster."""
        self.now: Waiting | None = None
        """What is being made."""
        self._queue = queue
        self._track = track
        self._takes = takes
        self._fitting = fitting
        self.rate = rate
        self._lead = lead
        self._clock = clock
        self._told = told
        self._live = live
        self._task: asyncio.Task[None] | None = None
        self._work = asyncio.Event()
        self._looked = 0

    def look(self) -> None:
        """There may be something to make."""
        self._looked = self._track.position
        if self.now is not None and self.now.over and self._task is not None:
            self._task.cancel()
        self._work.set()

    def pushed(self) -> None:
        """The time of a cue may have come near."""
        if self._live and self._track.position - self._looked > LOOK_S * self.rate:
            self.look()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            found = self._next()
            if found is None:
                self._work.clear()
                await self._work.wait()
                continue
            # A task, to be cancelled where nobody wants it any more.
            self.now, self._task = found[0], asyncio.create_task(self._make(*found))
            try:
                await asyncio.wait({self._task})
            finally:
                self.now = None
                await ended(self._task)
            if not self._task.cancelled():
                self._task.result()
            self._told()

    def _next(self) -> tuple[Waiting, float] | None:
        """What is to be made now, and at which rate."""
        made = 0
        for number, cue in enumerate(self._queue.first(AHEAD)):
            if cue.wanted > 1 and (cue.hurried is None or cue.hurried.rate != cue.wanted):
                return cue, cue.wanted
            if not cue.made:
                hurry = None if self._live else self._to_hurry()
                far = self._live and self.due_in(cue.order) > AHEAD_S
                full = made > AHEAD_S * self.rate and number >= MERGED
                if hurry is not None or far or full:
                    return hurry or self._to_hurry()
                return cue, 1.0
            made += max(map(len, (cue.natural or (), cue.hurried or ())))
        return self._to_hurry()

    def _to_hurry(self) -> tuple[Waiting, float] | None:
        track = self._track
        for cue, rate, at in self._fitting.to_hurry(
            self._queue, track.position, track.placed, AHEAD
        ):
            if not self._live or self.due_in(at) > SOON_S:
                return cue, rate
        return None

    async def _make(self, cue: Waiting, rate: float) -> None:
        def lead() -> float:
            return self.due_in(cue.order)

        try:
            book = self._book if rate == 1 else _once
            take = await self._takes.speak(cue.text, cue.wish, rate, lead, book)
        except StreamerError as error:
            failure = error.with_traceback(None)
            if rate == 1:
                cue.failure = failure
            else:
                cue.wanted, cue.once = 1.0, True
            return
        if rate > 1:
            cue.hurried = take
            self.hurried += 1
            return
        cue.natural, cue.made_at = take, self._clock()
        for engine in filter(None, take.engine.split("+")):
            if engine not in self.engines:
                self.engines.append(engine)

    def _book(self, characters: int, cost: float) -> None:
        self.characters += characters
        self.cost += cost

    def due_in(self, position: int) -> float:
        """Seconds until a listener hears that sample; +inf where nobody does."""
        lead = self._lead()
        ahead = (position - self._track.position) / self.rate
        return ahead + (0.0 if lead == -math.inf else lead)


def _once(characters: int, cost: float) -> None:
    """What is said again is booked already."""
