"""One attempt at a job: it is claimed, spoken and ended, or given back, to be tried again."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from streamer.database import Database
from streamer.errors import (
    InternalError,
    RequestError,
    StorageFull,
    StorageUnavailable,
    StreamerError,
)
from streamer.jobs import table
from streamer.jobs.ending import Endings, internal_error
from streamer.jobs.queue import Queue
from streamer.jobs.speaking import OpenSession, Rendering, refused, speak, start_of
from streamer.jobs.stored import Stored
from streamer.jobs.table import Entry
from streamer.jobs.whole import create_writer, mime_of
from streamer.resources import Job
from streamer.tasks import settled

log = logging.getLogger(__name__)

CRASHES = 20
"""A job that has been running at so many deaths of the process is given up. A few prove nothing, as a
machine that is switched off and on kills whatever runs; after the third it runs only when nothing else
waits, so that at twenty it has died alone many times."""
RETRY_S = 0.5
"""Before the second attempt of a job whose engine failed; twice as long before each further one."""
LONGEST_RETRY_S = 600.0
HOLD_S = 60.0
"""Before a job is tried again that nobody here can speak since the server began with other settings."""


def retry_s(failures: int) -> float:
    """Before the next attempt, in seconds, after so many failures (1 or more) of a job."""
    doublings = min(failures - 1, 32)  # a float has no 2 ** 1024
    return min(RETRY_S * 2.0**doublings, LONGEST_RETRY_S)


class Attempts:
    """`encoding` is held by results that are encoded once they have been spoken whole."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        endings: Endings,
        open_session: OpenSession,
        encoding: asyncio.Semaphore,
    ) -> None:
        self._database = database
        self._queue = queue
        self._endings = endings
        self._open_session = open_session
        self._encoding = encoding
        self._settings = endings.settings

    async def make(self, entry: Entry) -> float:
        """Take the job up, speak it, end it; or in how many seconds to try again. Raises `StorageFull` or
        `StorageUnavailable`, and what is a fault of ours before the job is known. What the disk or being
        cancelled cuts short is not counted."""
        before = entry.attempts
        entry.claims += 1
        entry.attempts += 1
        try:
            claimed = await self._database.write(
                lambda c: table.claim(c, entry, self._endings.clock())
            )
            if claimed is not None:
                return await self._perform(entry, *claimed)
            entry.ended = "cancelled"
            self._queue.drop(entry)
            return 0.0
        except (StorageFull, StorageUnavailable, asyncio.CancelledError):
            entry.attempts = before
            raise

    def fault(self, entry: Entry, fault: BaseException) -> float:
        """An attempt raised a fault of ours. In how many seconds to try again."""
        log.error("fault", exc_info=fault, extra={"job": entry.id})
        entry.failures += 1
        return retry_s(entry.failures)

    async def _perform(self, entry: Entry, job: Job, kept: Stored) -> float:
        """Speak a job and end it; or in how many seconds to try again."""
        if entry.crashes >= CRASHES:
            log.error("job given up", extra={"job": entry.id, "crashes": entry.crashes})
            error = InternalError("the server ended too often while it spoke this")
            await self._endings.fail(entry, job, error)
            return 0.0
        blobs: list[str] = []
        try:
            begun = time.monotonic()
            made = await self._speak(entry, kept, blobs)
            self._queue.spoke(entry.characters, time.monotonic() - begun)
            await self._endings.complete(entry, job, made)
            return 0.0
        except (StorageFull, StorageUnavailable):
            raise
        except StreamerError as error:
            failure = error.with_traceback(None)
        except Exception as fault:
            log.error("fault", exc_info=fault, extra={"job": entry.id})
            failure = internal_error()
        finally:
            if blobs and entry.ended != "completed":
                await settled(asyncio.create_task(self._endings.files.discard(*blobs)))
        if isinstance(failure, RequestError) and await self._hold(entry, job, kept, failure):
            return HOLD_S
        entry.failures += 1
        if not failure.retryable or entry.failures >= self._settings.job_attempts:
            await self._endings.fail(entry, job, failure)
            return 0.0
        self._endings.counts.retries += 1
        log.warning("job failed once", extra={"job": entry.id, "error": failure.code})
        await self._give_back(entry)
        return retry_s(entry.failures)

    async def _speak(self, entry: Entry, kept: Stored, blobs: list[str]) -> list[Rendering]:
        """All results, one after the other; `blobs` are told as they are committed."""
        open_session = partial(self._open_session, key=entry.key)
        if entry.urgent:
            open_session = partial(open_session, background=False)
        made: list[Rendering] = []
        asked, count = kept.request, kept.request.results
        how = self._settings.max_pending_chars, asked.longest_s, mime_of(asked)
        for result in range(count):

            def told(characters: int, before: int = result * entry.characters // count) -> None:
                entry.spoken = before + characters

            session = open_session(start_of(kept, result))
            name = f"{entry.id}-{entry.claims}-{result}"
            writer = await create_writer(self._endings.files, name, asked, self._encoding)
            try:
                made.append(await speak(session, asked.text, name, writer, told, *how))
            except BaseException:
                await writer.abort()
                raise
            blobs.append(name)
        return made

    async def _hold(self, entry: Entry, job: Job, kept: Stored, failure: StreamerError) -> bool:
        """Give a job back that was promised and would be refused today; False where it failed for another
        reason, or has waited for long enough."""
        if self._endings.clock() - job.created >= self._settings.job_keep_s:
            return False
        if not await refused(self._open_session, job.key, kept, self._settings.max_pending_chars):
            return False
        if not entry.held:
            extra = {"job": entry.id, "error": failure.code, "param": failure.param}
            log.warning("job held: nobody here can speak it", extra=extra)
        entry.held = True
        entry.attempts -= 1
        await self._give_back(entry)
        return True

    async def _give_back(self, entry: Entry) -> None:
        """Show it as queued until it is tried again; where that can't be written, it is tried all the
        same."""
        try:
            await self._database.write(lambda c: table.give_back(c, [entry]))
        except StreamerError as error:
            log.warning("job not given back", extra={"job": entry.id, "error": error.code})
