"""Places for work that holds much memory: so many at once, few of one key, and turns by key."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streamer.errors import RateLimited

RETRY_S = 5
"""When to come back who waited in vain."""


class Places:
    """`places` in all, `share` of one key. Who waits takes turns by key, for `wait_s` at most. Key "" is
    no key and has no share: a server without keys has one client."""

    def __init__(
        self,
        places: int,
        share: int,
        wait_s: float,
        what: str = "uploads at once that are held whole",
    ) -> None:
        self._what = what
        self._free = places
        self._share = share
        self._wait_s = wait_s
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By key, the one whose turn is next first."""

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[None]:
        """Raises `RateLimited` where none came free in time."""
        await self._take(key)
        try:
            yield
        finally:
            self._give(key)

    async def _take(self, key: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came together with the end
                self._give(key)
            else:
                self._leave(key, turn)
            if isinstance(error, TimeoutError):
                raise RateLimited(f"too many {self._what}", retry_after_s=RETRY_S) from None
            raise

    def _give(self, key: str) -> None:
        self._free += 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        self._hand_out()

    def _leave(self, key: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(key)
        if turns and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[key]

    def _hand_out(self) -> None:
        while self._free:
            key = next((k for k in self._waiting if not k or self._held[k] < self._share), None)
            if key is None:
                return
            turns = self._waiting.pop(key)
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns  # behind all others
            if not turn.done():  # else it was given up, and its owner has not run since
                self._free -= 1
                self._held[key] += 1
                turn.set_result(None)
