"""Segments that have been begun, in order: each is read ahead by a task of its own."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from streamer.errors import EngineFailed
from streamer.types import PcmChunk

AHEAD = 2
"""Segments begun beyond the one that plays: a sentence plays longer than most answers take."""


class Reading:
    """One segment on its way. Its chunks wait here without bound: a segment is bounded, and so is their
    number. `behind`: how many others the listener hears before it."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._waiting: deque[PcmChunk] = deque()
        self._news = asyncio.Event()
        self._over = False
        self._error: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def behind(self) -> float:
        return self._row.behind(self)

    async def fill(self, source: AsyncGenerator[PcmChunk]) -> None:
        try:
            async with aclosing(source):
                async for chunk in source:
                    self._waiting.append(chunk)
                    self._news.set()
        except Exception as error:
            self._error = error
        except BaseException:
            self._error = EngineFailed("synthesis was cancelled")
            raise
        finally:
            self._over = True
            self._news.set()

    async def chunks(self) -> AsyncGenerator[PcmChunk]:
        """All of them, in order; then what ended it. Once all are here, they say how long that is."""
        given, worded = 0, False
        total: int | None = None
        while True:
            while self._waiting:
                chunk = self._waiting.popleft()
                worded = worded or bool(chunk.words)
                given += len(chunk.samples)
                if total is None and self._over and self._error is None and not worded:
                    total = given + sum(len(other.samples) for other in self._waiting)
                yield chunk if chunk.total is not None else replace(chunk, total=total)
            if self._over:
                break
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error


class Row:
    """The segments of one iterator that have been begun, in order."""

    def __init__(self) -> None:
        self.room = asyncio.Semaphore(AHEAD + 1)
        self._readings: list[Reading] = []
        self._news = asyncio.Event()
        self._over = False
        self._error: Exception | None = None

    def behind(self, reading: Reading) -> float:
        return self._readings.index(reading) if reading in self._readings else math.inf

    def add(self, speak: Callable[[Reading], AsyncGenerator[PcmChunk]]) -> None:
        """Begin the next segment."""
        reading = Reading(self)
        reading.task = asyncio.create_task(reading.fill(speak(reading)))
        self._readings.append(reading)
        self._news.set()

    def end(self, error: Exception | None) -> None:
        """No more come."""
        self._over, self._error = True, error
        self._news.set()

    async def next(self) -> Reading | None:
        """The first in the row, once there is one; it stays there until it is `done`."""
        while not self._readings:
            if self._over:
                if self._error is not None:
                    raise self._error
                return None
            self._news.clear()
            await self._news.wait()
        return self._readings[0]

    def done(self) -> None:
        self._readings.pop(0)
        self.room.release()

    def stop(self) -> list[asyncio.Task[None]]:
        """Cancel what is under way."""
        tasks = [reading.task for reading in self._readings if reading.task is not None]
        for task in tasks:
            task.cancel()
        return tasks
