"""How a job ends: one transaction makes it completed, failed or cancelled, with all that follows from it.

Results, files, the charge and the webhooks are written with the job's row, or nothing is.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamer.config import Settings
from streamer.database import Database
from streamer.errors import InternalError, StorageFull, StorageUnavailable, StreamerError
from streamer.files import FileStore, new_id
from streamer.jobs import table
from streamer.jobs.counts import JobCounts
from streamer.jobs.queue import Queue
from streamer.jobs.speaking import Rendering, keeps_captions
from streamer.jobs.table import Entry
from streamer.resources import Job, JobResult, StoredFile
from streamer.tasks import settled
from streamer.usage import Usage, Used
from streamer.webhooks import Webhooks

log = logging.getLogger(__name__)

EncodeEvent = Callable[[Job], Mapping[str, Any]]
"""The `data` of a webhook about this job."""
EncodeCallbacks = Callable[[Job], Sequence[Mapping[str, Any]] | None]
"""What a job's own target is told instead, a webhook each; None: the same as everybody."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Ends jobs. `pause_s`: between tries at a database that fails."""

    database: Database
    files: FileStore
    webhooks: Webhooks
    usage: Usage
    queue: Queue
    counts: JobCounts
    settings: Settings
    clock: Callable[[], float]
    encode_event: EncodeEvent
    encode_callbacks: EncodeCallbacks
    pause_s: float

    async def complete(self, entry: Entry, job: Job, made: Sequence[Rendering]) -> bool:
        """The job has been spoken. False where it ended otherwise meanwhile, and the blobs are nobody's.

        Tries until the database takes it. Raises `FileQuota`. Cancelled, it ends only when it is known
        whether it was written: then `entry` is no longer in the queue.
        """
        now = self.clock()
        expires = now + self._lifetime(job.request.ttl_s)
        captions = job.request.start.input == "captions"
        kept = keeps_captions(job.request.start)
        results = tuple(
            JobResult(
                at,
                one.seed,
                StoredFile(
                    *(new_id(), job.key, "result", one.content_type, one.size, now, expires),
                    duration_ms=one.audio_ms,
                ),
                one.sample_rate,
                one.audio_ms,
                one.words,
                one.cues if captions else None,
                one.captions if kept else None,
            )
            for at, one in enumerate(made)
        )
        costs = [one.cost for one in made if one.cost is not None]
        cost = round(sum(costs), 9) if costs else None
        characters = sum(one.characters for one in made)
        job = replace(
            job,
            status="completed",
            finished=now,
            expires=expires,
            progress=1.0,
            results=results,
            voice=made[0].voice,
            engine=made[0].engine,
            cost=cost,
            text_characters=characters // len(made),
        )
        seconds = sum(one.audio_ms for one in made) / 1000
        used = Used(characters, seconds, contexts=len(made), cost=cost or 0.0)

        def more(connection: sqlite3.Connection) -> None:
            for result, one in zip(results, made, strict=True):
                self.files.insert(connection, result.file, one.blob)
            self.usage.book(connection, job.key, used)

        won = await self._insist(entry, job, more, lambda: self.usage.booked(job.key, used))
        if won:
            self.counts.characters += used.characters
            self.counts.audio_seconds += used.audio_seconds
            for told in (one.cues for one in made):
                self.counts.cues["on_time"] += told.spoken - told.late
                self.counts.cues["late"] += told.late
                self.counts.cues["skipped"] += told.skipped
        return won

    async def fail(self, entry: Entry, job: Job, error: StreamerError) -> bool:
        """The job can't be spoken. Else as `complete`."""
        job = replace(job, status="failed", finished=self.clock(), error=error)
        return await self._insist(entry, job)

    async def cancel(
        self, id: str, stop: Callable[[Entry], Awaitable[None]], *, let_go: bool = True
    ) -> None:
        """End the job of this id if it has not ended, and `stop` it where it runs; if it has, its files
        go where it is to `let_go` of them. Once begun it is carried through.

        Raises `StorageFull` or `StorageUnavailable`, and has then changed nothing.
        """
        await settled(asyncio.create_task(self._cancel(id, stop, let_go)))

    async def forget_key(
        self, key: str, stop: Callable[[Entry], Awaitable[None]], limit: int
    ) -> bool:
        """Drop so many jobs of a key as if they had never been, and `stop` those that run: nobody is told.
        Whether there may be more. Once begun it is carried through. Raises as `cancel`."""
        return await settled(asyncio.create_task(self._forget_key(key, stop, limit)))

    def _lifetime(self, ttl_s: float | None) -> float:
        """Seconds. The settings may have changed since the job was taken, and it is not to fail for that."""
        settings = self.settings
        return settings.file_ttl_s if ttl_s is None else min(ttl_s, settings.max_file_ttl_s)

    async def _cancel(
        self, id: str, stop: Callable[[Entry], Awaitable[None]], let_go: bool
    ) -> None:
        now = self.clock()
        entry = self.queue.get(id)

        def work(connection: sqlite3.Connection) -> list[str] | None:
            job = table.cancel(connection, id, now)
            if job is not None:
                self._telling(job)(connection)
                return None
            if not let_go:
                return []
            return self.files.bury(connection, table.let_go(connection, id, now))

        blobs = await self.database.write(work)
        if blobs is None:
            self._ended(id, "cancelled")
            if entry is not None:
                await stop(entry)
        else:
            await self.files.discard(*blobs)

    async def _forget_key(
        self, key: str, stop: Callable[[Entry], Awaitable[None]], limit: int
    ) -> bool:
        ids = await self.database.write(lambda c: table.forget_key(c, key, limit))
        unfinished = [entry for id in ids if (entry := self.queue.get(id)) is not None]
        for entry in unfinished:
            self._ended(entry.id, "cancelled")
        for entry in unfinished:
            await stop(entry)
        return len(ids) == limit

    async def _insist(
        self,
        entry: Entry,
        job: Job,
        more: Callable[[sqlite3.Connection], None] = lambda connection: None,
        committed: Callable[[], None] = lambda: None,
    ) -> bool:
        tell = self._telling(job)

        def work(connection: sqlite3.Connection) -> bool:
            if not table.finish(connection, job, entry.claims):
                return False
            more(connection)
            tell(connection)
            return True

        async def once() -> bool:
            won = await self.database.write(work)
            if won:
                committed()
                self._ended(job.id, job.status)
            return won

        while True:
            try:
                return await settled(asyncio.create_task(once()))
            except (StorageFull, StorageUnavailable) as error:
                log.warning("job not finished yet", extra={"job": job.id, "error": error.code})
            await asyncio.sleep(self.pause_s)

    def _telling(self, job: Job) -> Callable[[sqlite3.Connection], object]:
        """What tells that it has ended, worded now; of one without results on any thread."""
        return partial(
            self.webhooks.enqueue,
            key=job.key,
            job=job.id,
            event=f"job.{job.status}",
            data=self.encode_event(job),
            target=job.request.webhook,
            instead=self.encode_callbacks(job) if job.request.webhook is not None else None,
        )

    def _ended(self, id: str, status: str) -> None:
        """It is written: with no `await` between, so that nothing is charged and still reserved."""
        entry = self.queue.get(id)
        if entry is not None:
            entry.ended = status
            self.queue.drop(entry)
        self.counts.finished[status] += 1
        self.webhooks.wake()


def internal_error() -> InternalError:
    """What a client is told of a fault of ours; the log has the rest under the job's id."""
    return InternalError("an internal error")
