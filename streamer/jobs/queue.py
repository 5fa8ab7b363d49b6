"""Which job is next, how many are ahead of one, and how long that may take. In memory; knows no tables.

Keys take turns; the jobs of one key come in order of age. So many jobs of one key keep nobody else's
waiting for longer than one job. Urgent ones take no turns.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from streamer.jobs.table import Entry

CAREFUL = 3
"""A job that has been running at so many deaths of the process goes behind all others: if it is what
kills, they are spoken first."""

_by_age = attrgetter("seq")


@dataclass(slots=True)
class _Held:
    """The unfinished jobs of a key: how many, their characters over all results, their cost at most."""

    jobs: int = 0
    characters: int = 0
    cost: float = 0.0

    def count(self, entry: Entry, times: int) -> None:
        self.jobs += times
        self.characters += times * entry.characters
        self.cost += times * entry.cost


class Queue:
    """All unfinished jobs: those that wait, in order, and those that run (added, and taken)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: dict[str, list[Entry]] = {}  # by key; the first key's turn is next
        self._last: list[Entry] = []
        self._urgent: list[Entry] = []
        self._later: list[tuple[float, int, Entry]] = []
        self._all: dict[str, Entry] = {}
        self._of_key: dict[str, _Held] = {}
        self._waited_for: dict[str, asyncio.Event] = {}
        self._released = False
        self._seconds_per_character: float | None = None

    def get(self, id: str) -> Entry | None:
        """An unfinished job."""
        return self._all.get(id)

    def over(self, id: str) -> asyncio.Event | None:
        """Set once the job is unfinished no more; None where there is nothing to wait for."""
        if id not in self._all or self._released:
            return None
        return self._waited_for.setdefault(id, asyncio.Event())

    def release(self) -> None:
        """Nobody is to wait any longer: nothing more is done here."""
        self._released = True
        for event in self._waited_for.values():
            event.set()

    def __len__(self) -> int:
        """Jobs that wait or run."""
        return len(self._all)

    def jobs_of(self, key: str) -> int:
        """Unfinished jobs of a key."""
        return self._of_key.get(key, _Held()).jobs

    def cost_of(self, key: str) -> float:
        """What the unfinished jobs of a key will cost at most."""
        return self._of_key.get(key, _Held()).cost

    def hold(self, entry: Entry) -> None:
        """A job is unfinished from now on, and does not wait yet."""
        self._all[entry.id] = entry
        self._of_key.setdefault(entry.key, _Held()).count(entry, 1)

    def drop(self, entry: Entry) -> None:
        """A job has ended. May be called twice."""
        if self._all.pop(entry.id, None) is None:
            return
        if (waited_for := self._waited_for.pop(entry.id, None)) is not None:
            waited_for.set()
        held = self._of_key[entry.key]
        held.count(entry, -1)
        if not held.jobs:
            del self._of_key[entry.key]
        self._leave(entry)

    def add(self, entry: Entry, delay_s: float = 0.0) -> None:
        """It waits for its turn, which does not come before `delay_s` have passed."""
        if delay_s > 0:
            heapq.heappush(self._later, (self._clock() + delay_s, entry.seq, entry))
        elif entry.urgent:
            self._urgent.append(entry)
        elif entry.crashes >= CAREFUL:
            insort(self._last, entry, key=_by_age)
        else:
            insort(self._lines.setdefault(entry.key, []), entry, key=_by_age)

    def take(self) -> Entry | None:
        """The next job, which waits no more; None where none is due."""
        self._bring_up()
        for key, line in self._lines.items():
            entry = line.pop(0)
            del self._lines[key]
            if line:
                self._lines[key] = line  # behind all others
            return entry
        return self._last.pop(0) if self._last else None

    def take_urgent(self) -> Entry | None:
        """The next that takes no turn."""
        self._bring_up()
        return self._urgent.pop(0) if self._urgent else None

    def urgent_due_in(self) -> float:
        """As `due_in`, of `take_urgent`."""
        if self._urgent:
            return 0.0
        due = min((at for at, _, entry in self._later if entry.urgent), default=math.inf)
        return max(0.0, due - self._clock())

    def due_in(self) -> float:
        """Seconds until `take` may find one: 0 where it does now, +inf where none waits."""
        if self._lines or self._last:
            return 0.0
        return max(0.0, self._later[0][0] - self._clock()) if self._later else math.inf

    def position(self, entry: Entry) -> int:
        """How many jobs are to be taken before this one, if no others come: exact but for those that wait
        for a later attempt."""
        if entry.urgent:
            return 0
        if entry.crashes >= CAREFUL:
            at = bisect_left(self._last, entry.seq, key=_by_age)
            return sum(map(len, self._lines.values())) + at
        own = self._lines.get(entry.key, [])
        at = ahead = bisect_left(own, entry.seq, key=_by_age)
        turns = at + 1  # those of a key whose turn comes before
        for key, line in self._lines.items():
            if key == entry.key:
                turns = at
            else:
                ahead += min(len(line), turns)
        return ahead

    def spoke(self, characters: int, seconds: float) -> None:
        """One worker took so long for so many characters."""
        if characters <= 0:
            return
        before, now = self._seconds_per_character, seconds / characters
        self._seconds_per_character = now if before is None else 0.8 * before + 0.2 * now

    def estimate(self, entry: Entry, workers: int) -> float | None:
        """Seconds until the job is done, as if those ahead were of average length; None before any was."""
        pace = self._seconds_per_character
        if pace is None:
            return None
        own = max(0, entry.characters - entry.spoken) * pace
        if entry.running:
            return own
        total = sum(held.characters for held in self._of_key.values())
        mean = total / max(1, len(self._all))
        waiting = sum(map(len, self._lines.values())) + len(self._last) + len(self._urgent)
        running = len(self._all) - waiting
        return own + (self.position(entry) + running / 2) * mean * pace / workers

    def _bring_up(self) -> None:
        """Those whose time has come wait for their turn."""
        while self._later and self._later[0][0] <= self._clock():
            self.add(heapq.heappop(self._later)[2])

    def _leave(self, entry: Entry) -> None:
        if entry in self._urgent:
            self._urgent.remove(entry)
            return
        line = self._last if entry.crashes >= CAREFUL else self._lines.get(entry.key, [])
        at = bisect_left(line, entry.seq, key=_by_age)
        if at < len(line) and line[at] is entry:
            del line[at]
            if not line and line is not self._last:
                del self._lines[entry.key]
            return
        if any(later is entry for *_, later in self._later):
            self._later = [item for item in self._later if item[2] is not entry]
            heapq.heapify(self._later)
