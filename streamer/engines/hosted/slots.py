"""How many requests may be under way at once, and who is next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Rank = Callable[[], tuple[float, float]]
"""Who is served first: the smallest. Asked whenever a place is free."""


class Slots:
    """So many places; `waiting` and `taken` say how many want one and have one."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Rank, asyncio.Future[None]]] = []
        self.taken = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def place(self, rank: Rank) -> AsyncIterator[None]:
        """A place for the length of the block."""
        if self._free and not self._waiting:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (rank, turn)
            self._waiting.append(entry)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():  # it had come by then: to the next
                    self._free += 1
                else:
                    self._waiting.remove(entry)
                # Also here: who came while this one was about to go stands behind it.
                self._call()
                raise
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._free += 1
            self._call()

    def _call(self) -> None:
        while self._free:
            # One whose turn is over has been cancelled and is about to go.
            able = [entry for entry in self._waiting if not entry[1].done()]
            if not able:
                return
            entry = min(able, key=lambda waiting: waiting[0]())
            self._waiting.remove(entry)
            self._free -= 1
            entry[1].set_result(None)
