"""An engine that may be given up on: by a deadline for its next sound, and at once while its circuit is
open. What stands in a chain (`streamer.engines.fallback`) is watched.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from streamer.engines.around import Around
from streamer.engines.base import Engine, Lead
from streamer.engines.breaker import Breaker
from streamer.errors import (
    EngineFailed,
    InvalidParameter,
    LanguageNotSupported,
    StreamerError,
    TextLimit,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.types import PcmChunk, Segment

BACKGROUND_PATIENCE = 12
"""Times the deadline where nobody listens: there an engine serves everyone else first."""

_NOT_MADE_FOR_THIS = (
    InvalidParameter,
    LanguageNotSupported,
    TextLimit,
    UnknownVoice,
    UnsupportedParameter,
)


class Watched(Around):
    """See `streamer.engines.base.Engine`. An iterator speaks or fails; the next attempt is another's.

    Fails with `EngineFailed` if a segment it was given brings no sound for `timeout_s`. `segments` must
    not raise: that would count as the engine's failure.
    """

    def __init__(self, engine: Engine, breaker: Breaker, timeout_s: float) -> None:
        super().__init__(engine)
        self.breaker = breaker
        self._timeout_s = timeout_s

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        attempt = self.breaker.attempt()
        watch = _Watch(self._timeout_s, lead)
        try:
            async with aclosing(self._engine.synthesize(watch.given(segments), lead)) as chunks:
                while (chunk := await watch.next(chunks)) is not None:
                    if watch.silent:
                        raise EngineFailed(f"engine {self.name!r} had no sound for its text")
                    if chunk.last:
                        attempt.succeeded()
                    elif len(chunk.samples):
                        attempt.sounded()  # a listener may take long to fetch the rest
                    yield chunk
            if watch.waits:
                raise EngineFailed(f"engine {self.name!r} ended before its text")
        except _NOT_MADE_FOR_THIS:  # which says nothing of how it is
            raise
        except TimeoutError as error:
            attempt.failed()
            raise EngineFailed(f"engine {self.name!r} was silent for too long") from error
        except Exception as error:
            attempt.failed(retry_after(error))
            raise
        finally:
            attempt.left()


class _Watch:
    """Whether an engine owes sound, and since when."""

    def __init__(self, timeout_s: float, lead: Lead) -> None:
        self._timeout_s = timeout_s
        self._lead = lead
        self._open: deque[bool] = deque()
        """Segments given and not finished, in order: whether there is anything to say. Pieces are one."""
        self._says = self._sounded = False
        self.silent = False
        """Whether the last chunk ended a text without any sound."""
        self._deadline: asyncio.Timeout | None = None

    @property
    def waits(self) -> bool:
        """Whether the engine owes sound."""
        return bool(self._open)

    async def given(self, segments: AsyncIterator[Segment]) -> AsyncGenerator[Segment, None]:
        async for segment in segments:
            self._says = self._says or any(map(str.isalnum, segment.text))
            if not segment.more:
                self._open.append(self._says)
                self._says = False
                self._arm()
            yield segment

    async def next(self, chunks: AsyncIterator[PcmChunk]) -> PcmChunk | None:
        """The next chunk; None at the end. Raises `TimeoutError`. Only the time that is spent here counts,
        not what the listener takes."""
        try:
            async with asyncio.timeout(None) as self._deadline:
                self._arm()
                chunk = await anext(chunks, None)
        finally:
            self._deadline = None
        if chunk is not None:
            self._sounded = self._sounded or len(chunk.samples) > 0
            if chunk.last:
                says = self._open.popleft() if self._open else False
                self.silent, self._sounded = says and not self._sounded, False
        return chunk

    def _arm(self) -> None:
        deadline = self._deadline
        if deadline is None or deadline.expired() or deadline.when() is not None or not self._open:
            return
        patience = BACKGROUND_PATIENCE if self._lead() == math.inf else 1
        deadline.reschedule(asyncio.get_running_loop().time() + self._timeout_s * patience)


def retry_after(error: Exception) -> float | None:
    """For how long an error asks to be left alone; seconds."""
    if not isinstance(error, StreamerError):
        return None
    found = error.details.get("retry_after_s")
    return float(found) if isinstance(found, int | float) and 0 < found < math.inf else None
