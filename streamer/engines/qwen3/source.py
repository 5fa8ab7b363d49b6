"""The segments of a context as they come. Waiting for the next may be given up, and none is lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from streamer.errors import EngineFailed
from streamer.tasks import closed
from streamer.types import Segment


class Source:
    """`heard` is called whenever something has come that `pull` asked for."""

    def __init__(self, segments: AsyncIterator[Segment], heard: Callable[[], None]) -> None:
        self._segments = segments
        self._heard = heard
        self._kept: deque[Segment] = deque()
        self._pull: asyncio.Task[Segment | None] | None = None
        self._ended = False
        self._failure: Exception | None = None
        self._skipped: int | None = None

    @property
    def known(self) -> bool:
        """Whether it is known what comes next: a segment, or none."""
        return bool(self._kept) or self._ended

    @property
    def first(self) -> Segment | None:
        """What comes next, if it is here."""
        return self._kept[0] if self._kept else None

    def pull(self) -> None:
        """Ask for the next."""
        if self._pull is None and not self.known:
            self._pull = asyncio.ensure_future(self._next())
            self._pull.add_done_callback(self._came)

    def take(self) -> Segment:
        return self._kept.popleft()

    def put_back(self, segments: Iterable[Segment]) -> None:
        """What was taken and is to come again, before all others."""
        self._kept.extendleft(reversed(list(segments)))

    def skip(self, index: int) -> None:
        """Further pieces of this segment are nobody's any more."""
        self._skipped = index

    def check(self) -> None:
        """Raise what ended it, if that was no end."""
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        """Close the text's iterator."""
        pull, self._pull = self._pull, None
        await closed(self._segments, pull)

    async def _next(self) -> Segment | None:
        while (segment := await anext(self._segments, None)) is not None:
            if segment.index != self._skipped:
                return segment
        return None

    def _came(self, pull: asyncio.Task[Segment | None]) -> None:
        if self._pull is not pull:
            return
        self._pull = None
        if pull.cancelled():
            self._ended, self._failure = True, EngineFailed("the text was cancelled")
        elif (failure := pull.exception()) is not None:
            if not isinstance(failure, Exception):
                raise failure
            self._ended, self._failure = True, failure
        elif (segment := pull.result()) is not None:
            self._kept.append(segment)
        else:
            self._ended = True
        self._heard()
