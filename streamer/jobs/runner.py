"""Speaks the jobs of a queue, some at once, until cancelled or drained, and waits while the disk fails."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Sequence
from functools import partial

from streamer.database import Database
from streamer.errors import StorageFull, StorageUnavailable, StreamerError
from streamer.jobs import table
from streamer.jobs.attempts import Attempts
from streamer.jobs.ending import Endings
from streamer.jobs.queue import Queue
from streamer.jobs.speaking import OpenSession
from streamer.jobs.table import Entry
from streamer.tasks import ended

log = logging.getLogger(__name__)

LONGEST_PAUSE = 10.0
"""In first pauses."""
SWEEP_S = 600.0
BATCH = 500
"""Finished jobs forgotten in one transaction."""


class Runner:
    """At most `workers` attempts at once, and urgent ones beside them; each is a task. `pause_s`: how long
    nothing is begun after the disk failed, doubled each time up to ten times as long."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        endings: Endings,
        open_session: OpenSession,
        *,
        pause_s: float,
    ) -> None:
        settings = endings.settings
        self.workers = settings.job_workers or max(1, (os.cpu_count() or 1) // 2)
        self._database = database
        self._queue = queue
        self._endings = endings
        self._attempts = Attempts(
            database, queue, endings, open_session, asyncio.Semaphore(self.workers)
        )
        self._settings = settings
        self._pause_s = self._first_pause_s = pause_s
        self._resume_at = -math.inf
        self._sweep_s = min(SWEEP_S, settings.job_keep_s)
        self._sweep_at = time.monotonic() + self._sweep_s
        self._tasks: dict[Entry, asyncio.Task[float]] = {}
        self._wake = asyncio.Event()
        self.draining = False

    def wake(self) -> None:
        """There may be something to do, or to count."""
        self._count()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; attempts under way are then given up, and begun again where it runs again."""
        try:
            while True:
                self._wake.clear()
                self._begin()
                if time.monotonic() >= self._sweep_at:
                    await self._sweep()
                    continue
                try:
                    async with asyncio.timeout(self._patience()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            await self._stop(list(self._tasks))

    async def drain(self) -> None:
        """Begin nothing more; what runs goes back to the queue, as if it had not been begun. What is urgent
        may end, until this is cancelled. Then nobody waits any longer."""
        self.draining = True
        try:
            await self._put_back([entry for entry in self._tasks if not entry.urgent])
            if self._tasks:
                await asyncio.wait(list(self._tasks.values()))
        finally:
            await self._put_back(list(self._tasks))
            self._queue.release()

    async def _put_back(self, given_back: list[Entry]) -> None:
        await self._stop(given_back)
        given_back = [entry for entry in given_back if not entry.ended]
        if given_back:
            try:
                await self._database.write(lambda c: table.give_back(c, given_back))
            except StreamerError as error:  # a crash more is counted at the next start: no harm
                log.warning("jobs not given back", extra={"error": error.code})

    async def stop(self, entry: Entry) -> None:
        """Wait until nothing is left of a job that has ended."""
        await self._stop([entry])

    async def _stop(self, entries: Sequence[Entry]) -> None:
        tasks = [task for entry in entries if (task := self._tasks.get(entry)) is not None]
        for task in tasks:
            task.cancel()
        for task in tasks:
            await ended(task)

    def _begin(self) -> None:
        if self.draining or time.monotonic() < self._resume_at:
            return
        while (entry := self._queue.take_urgent()) is not None:
            self._begin_one(entry)
        while self._free() and (entry := self._queue.take()) is not None:
            self._begin_one(entry)

    def _free(self) -> bool:
        """Whether a worker has nothing to do."""
        return sum(not entry.urgent for entry in self._tasks) < self.workers

    def _begin_one(self, entry: Entry) -> None:
        entry.running, entry.spoken = True, 0
        task = asyncio.create_task(self._attempt(entry))
        self._tasks[entry] = task
        task.add_done_callback(partial(self._over, entry))
        self._count()

    def _over(self, entry: Entry, task: asyncio.Task[float]) -> None:
        """An attempt is over, or was cancelled before it began: unless the job is too, it waits again."""
        del self._tasks[entry]
        entry.running = False
        delay_s = 0.0
        if not task.cancelled():
            if (fault := task.exception()) is None:
                delay_s = task.result()
            else:
                delay_s = self._attempts.fault(entry, fault)
        if not entry.ended:
            self._queue.add(entry, delay_s)
        self.wake()

    def _count(self) -> None:
        counts = self._endings.counts
        counts.running = sum(entry.running for entry in self._tasks)
        counts.queued = len(self._queue) - counts.running

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [self._sweep_at - now]
        if not self.draining:
            due_in = self._queue.due_in() if self._free() else self._queue.urgent_due_in()
            waits.append(max(min(due_in, self._queue.urgent_due_in()), self._resume_at - now))
        return max(0.0, min(waits))

    async def _attempt(self, entry: Entry) -> float:
        """In how many seconds to try again, where the job is not over. Raises a fault of ours."""
        try:
            delay_s = await self._attempts.make(entry)
        except (StorageFull, StorageUnavailable) as error:
            self._pause(entry, error)
            return 0.0
        self._pause_s = self._first_pause_s
        return delay_s

    def _pause(self, entry: Entry, error: StreamerError) -> None:
        """The disk can't be used: begin nothing for a while."""
        self._resume_at = time.monotonic() + self._pause_s
        extra = {"job": entry.id, "error": error.code, "seconds": self._pause_s}
        log.warning("jobs pause", extra=extra)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE * self._first_pause_s)

    async def _sweep(self) -> None:
        """Forget jobs that ended long ago."""
        self._sweep_at = time.monotonic() + self._sweep_s
        before = self._endings.clock() - self._settings.job_keep_s
        try:
            while await self._database.write(lambda c: table.forget(c, before, BATCH)) == BATCH:
                self._begin()
        except StreamerError as error:
            log.warning("jobs not swept", extra={"error": error.code})
