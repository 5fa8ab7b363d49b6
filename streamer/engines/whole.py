"""Whole segments, for engines that wrap engines: kept until they are spoken, so that another may begin
where one failed. Whoever waits for the next one may be cancelled, and none is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from streamer.errors import EngineFailed
from streamer.tasks import closed
from streamer.types import Segment


class Whole:
    """The segments of one context, pieces put together. `done` moves on to the next.

    What the text fails with ends it; `check` raises it once all that came before has been spoken.
    """

    def __init__(self, segments: AsyncIterator[Segment]) -> None:
        self._segments = segments
        self._kept: deque[Segment] = deque()
        self._spoken = 0
        self._pull: asyncio.Task[Segment | None] | None = None
        self._ended = False
        self._failure: Exception | None = None
        self.closed = False

    @property
    def first(self) -> Segment | None:
        """The segment that is to be spoken, if it is here."""
        return self._kept[0] if self._kept else None

    async def head(self) -> Segment | None:
        """The segment that is to be spoken. Waits for it; None when there will be none."""
        return await self._at(self._spoken)

    def done(self) -> None:
        """The first has been spoken."""
        self._kept.popleft()
        self._spoken += 1

    async def rest(self) -> AsyncGenerator[Segment, None]:
        """The segments from the first unspoken one on. Ends with the text, also where that fails."""
        at = self._spoken
        while (segment := await self._at(at)) is not None:
            yield segment
            at += 1

    def check(self) -> None:
        """Raise what ended it, if that was no end."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End it with `EngineFailed`, also for whoever waits."""
        self.closed = self._ended = True
        self._failure = EngineFailed("the engine is closed")
        if self._pull is not None:
            self._pull.cancel()

    async def aclose(self) -> None:
        """Close the text's iterator."""
        pull, self._pull = self._pull, None
        await closed(self._segments, pull)

    async def _at(self, number: int) -> Segment | None:
        while number - self._spoken >= len(self._kept):
            if self._ended:
                return None
            await self._more()
        return self._kept[number - self._spoken]

    async def _more(self) -> None:
        # A task: an async generator that is cancelled while it waits has ended, and text with it.
        if self._pull is None:
            self._pull = asyncio.ensure_future(self._next())
        pull = self._pull
        await asyncio.wait({pull})
        self._pull = None
        segment, failure = _outcome(pull)
        if segment is not None and not self.closed:
            self._kept.append(segment)
            return
        self._ended = True
        self._failure = self._failure or failure

    async def _next(self) -> Segment | None:
        """The next segment, of all its pieces."""
        pieces: list[Segment] = []
        async for piece in self._segments:
            pieces.append(piece)
            if not piece.more:
                text = "".join(piece.text for piece in pieces)
                return replace(pieces[0], text=text, more=False)
        if pieces:
            raise EngineFailed("the text ended within a segment")
        return None


def _outcome(pull: asyncio.Task[Segment | None]) -> tuple[Segment | None, Exception | None]:
    try:
        return pull.result(), None
    except asyncio.CancelledError:
        return None, EngineFailed("the text was cancelled")
    except Exception as error:
        return None, error


class Open:
    """The open iterators of an engine that wraps engines."""

    def __init__(self) -> None:
        self._closed = False
        self._sources: set[Whole] = set()

    @asynccontextmanager
    async def reading(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[Whole, None]:
        """The segments as whole ones, closed behind it. Raises `EngineFailed` once closed."""
        if self._closed:
            raise EngineFailed("the engine is closed")
        source = Whole(segments)
        self._sources.add(source)
        try:
            yield source
        finally:
            self._sources.discard(source)
            await source.aclose()

    def close(self) -> None:
        """Every iterator ends with `EngineFailed`, also one that waits for text; new ones don't begin."""
        self._closed = True
        for source in self._sources:
            source.close()
