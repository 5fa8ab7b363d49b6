"""Let an engine work ahead of its listener: one task per context and a bounded outbox, both of which
end with the iterator. Knows chunks only, not how they come about.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

from streamer.errors import EngineFailed
from streamer.types import PcmChunk

_Outcome = PcmChunk | Exception | None
"""A chunk, what the source failed with, or None at its end."""


class Ahead:
    """The open iterators of one engine. Each holds at most `depth` chunks that nobody has fetched."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._closed = False
        self._open: set[_Outbox] = set()

    @property
    def open(self) -> int:
        """How many iterators are open."""
        return len(self._open)

    async def iterate(self, source: AsyncGenerator[PcmChunk]) -> AsyncGenerator[PcmChunk]:
        """What `source` yields or raises. It is closed before this ends, however this ends."""
        if self._closed:
            await source.aclose()
            raise EngineFailed("the engine is closed")
        outbox = _Outbox(self._depth)
        task = asyncio.create_task(outbox.fill(source))
        self._open.add(outbox)
        try:
            while (outcome := await outbox.get()) is not None:
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
        finally:
            self._open.discard(outbox)
            task.cancel()
            # Until the source is closed too; what it ended with has been in the outbox.
            await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        """Every open iterator ends with `EngineFailed`, at once; new ones don't begin."""
        self._closed = True
        for outbox in self._open:
            outbox.fail(EngineFailed("the engine is closed"))


class _Outbox:
    """A bounded queue whose end or failure can always be put in, also when it is full."""

    def __init__(self, depth: int) -> None:
        self._outcomes: deque[_Outcome] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Semaphore(depth)

    async def fill(self, source: AsyncGenerator[PcmChunk]) -> None:
        async with aclosing(source):
            try:
                await self._room.acquire()
                async for chunk in source:
                    self._put(chunk)
                    # Before the next is made, not after: what is made is held.
                    await self._room.acquire()
            except Exception as error:
                self._put(error)
            except BaseException:
                # Cancelled, mostly by us; if by another, whoever waits must not wait forever.
                self._put(EngineFailed("synthesis was cancelled"))
                raise
            else:
                self._put(None)

    async def get(self) -> _Outcome:
        while not self._outcomes:
            self._filled.clear()
            await self._filled.wait()
        outcome = self._outcomes.popleft()
        self._room.release()
        return outcome

    def fail(self, error: Exception) -> None:
        self._outcomes.clear()
        self._put(error)

    def _put(self, outcome: _Outcome) -> None:
        self._outcomes.append(outcome)
        self._filled.set()
