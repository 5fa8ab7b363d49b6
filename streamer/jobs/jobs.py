"""Jobs as the server sees them: ask for one, look at it, list them, cancel it, take what it made."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from streamer.config import Settings
from streamer.database import Database
from streamer.errors import (
    Draining,
    Gone,
    IdempotencyConflict,
    InternalError,
    InvalidParameter,
    NotAvailable,
    NotFound,
    NotReady,
    StreamerError,
)
from streamer.files import FileStore
from streamer.jobs import results, table
from streamer.jobs.admission import Admission, Admit
from streamer.jobs.counts import JobCounts
from streamer.jobs.ending import EncodeCallbacks, EncodeEvent, Endings
from streamer.jobs.queue import Queue
from streamer.jobs.runner import Runner
from streamer.jobs.speaking import OpenSession
from streamer.resources import NATIVE, PENDING, Job, JobRequest, JobResult, JobStatus, StoredFile
from streamer.tasks import Turns
from streamer.usage import Usage
from streamer.webhooks import Webhooks

log = logging.getLogger(__name__)

LONGEST_KEY = 255
FORGOTTEN = 500
"""Jobs of a key dropped in one transaction."""


class Jobs:
    """The jobs of all keys; a key sees its own. Calls raise `StorageUnavailable` or `StorageFull` where the
    database fails, and have then changed nothing. `pause_s`: how long jobs wait for a disk at first."""

    SCHEMA = table.SCHEMA

    def __init__(
        self,
        database: Database,
        files: FileStore,
        webhooks: Webhooks,
        usage: Usage,
        open_session: OpenSession,
        settings: Settings,
        clock: Callable[[], float],
        encode_event: EncodeEvent,
        *,
        encode_callbacks: EncodeCallbacks = lambda job: None,
        pause_s: float = 1.0,
    ) -> None:
        self.counts = JobCounts()
        self._database = database
        self._files = files
        self._settings = settings
        self._queue = Queue(time.monotonic)
        self._endings = Endings(
            database,
            files,
            webhooks,
            usage,
            self._queue,
            self.counts,
            settings,
            clock,
            encode_event,
            encode_callbacks,
            pause_s,
        )
        self._runner = Runner(database, self._queue, self._endings, open_session, pause_s=pause_s)
        self._admission = Admission(
            *(database, files, webhooks, open_session, settings, clock),
            *(self._queue, self._runner.wake, self._as_of_now),
        )
        self._turns = Turns()

    async def start(self) -> None:
        """Take up what an earlier process left; what was running then has seen a crash more.

        Raises `StorageUnavailable` where the database can't be read; where it can't be written the jobs
        are taken up all the same.
        """
        price = self._settings.price_per_1000
        entries, unknown = await self._database.read(lambda c: table.unfinished(c, price))
        if unknown:
            log.warning(
                "jobs of a newer program are left alone",
                extra={"jobs": len(unknown), "formats": sorted(set(unknown))},
            )
        crashed = [entry for entry in entries if entry.running]
        for entry in crashed:
            entry.running = False
            entry.crashes += 1
        if crashed:
            log.warning("jobs of a crash", extra={"jobs": len(crashed)})
            try:
                await self._database.write(lambda c: table.give_back(c, crashed))
            except StreamerError as error:
                log.warning("jobs not given back", extra={"error": error.code})
        for entry in entries:
            self._queue.hold(entry)
            self._queue.add(entry)
        self._runner.wake()

    async def run(self) -> None:
        """Speak what is asked for, until cancelled."""
        await self._runner.run()

    async def drain(self) -> None:
        """Take nothing new; what runs is given up at once, and goes on after the next start."""
        await self._runner.drain()

    async def submit(
        self,
        key: str,
        request: JobRequest,
        *,
        idempotency_key: str | None = None,
        fingerprint: bytes = b"",
        base_url: str = "",
        admit: Admit = lambda characters, cost: None,
    ) -> tuple[Job, bool]:
        """A job, once it is on disk, and whether it is new.

        `fingerprint` stands for the meaning of the request: asked again with the same idempotency key,
        it is the same job if that is equal too, else `IdempotencyConflict`. Raises what can be found
        wrong with the request before it is spoken, `JobLimit`, `Draining`, `ContextConflict` for an alias
        that is taken, and what `admit` raises, which is called once for a new job.
        """
        if self._runner.draining:
            raise Draining("the server is shutting down", retry_after_s=1)
        if idempotency_key is None:
            return await self._admission.accept(key, request, base_url, admit), True
        if not 1 <= len(idempotency_key) <= LONGEST_KEY or not idempotency_key.isprintable():
            raise InvalidParameter(
                f"1 to {LONGEST_KEY} printable characters", param="Idempotency-Key"
            )
        fingerprint = fingerprint or hashlib.sha256(msgspec.json.encode(request)).digest()
        async with self._turns.of((key, idempotency_key)):
            known = await self._database.read(lambda c: table.known(c, key, idempotency_key))
            if known is None:
                kept = (idempotency_key, fingerprint)
                return await self._admission.accept(key, request, base_url, admit, *kept), True
            if known[1] != fingerprint:
                raise IdempotencyConflict(
                    "this key was used for another request", param="Idempotency-Key"
                )
            return await self.get(key, known[0]), False

    async def get(self, key: str, id: str, *, dialect: str = NATIVE) -> Job:
        """A job of this key. Raises `NotFound`.

        A foreign `dialect` sees only what came by it, and calls it by its alias, where it has one.
        """
        return await self._find(key, id, dialect)

    async def wait(self, key: str, id: str, timeout_s: float, *, dialect: str = NATIVE) -> Job:
        """The job once it has ended; as it is then, after `timeout_s`, or where the server is shut down
        meanwhile. Raises `NotFound`."""
        job = await self._find(key, id, dialect)
        over = self._queue.over(job.id)
        if over is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await over.wait()
        return await self._find(key, id, dialect)

    async def list(
        self,
        key: str,
        *,
        status: JobStatus | None = None,
        limit: int = 100,
        after: str | None = None,
        dialect: str = NATIVE,
    ) -> builtins.list[Job]:
        """Jobs of this key that a dialect sees, newest first, those after the job of the id `after`.
        Raises `InvalidParameter`."""
        page = await self._database.read(
            lambda c: table.page(c, key, status, limit, after, dialect)
        )
        if page is None:
            raise InvalidParameter("no such job", param="after")
        return [self._as_of_now(job) for job in page]

    async def cancel(self, key: str, id: str, *, dialect: str = NATIVE, let_go: bool = True) -> Job:
        """End a job that has not ended; of one that has, let the files go, unless it is not to `let_go`
        of them. Nothing of what it cancels is left when this returns. Raises `NotFound`."""
        job = await self._find(key, id, dialect)
        await self._endings.cancel(job.id, self._runner.stop, let_go=let_go)
        self._runner.wake()
        return await self._find(key, id, dialect)

    async def file(
        self, key: str, id: str, result: int = 0, *, dialect: str = NATIVE
    ) -> StoredFile:
        """The sound of a result. Raises `NotReady`, `Gone` (cancelled, expired, deleted), `NotFound`, or
        what the job failed with."""
        job = await self._find(key, id, dialect)
        _, file = await self._sound(job, result)
        return file

    async def words(self, key: str, id: str, result: int = 0) -> JobResult:
        """A result with its words, as long as its sound is there. Raises as `file`."""
        job = await self._find(key, id, NATIVE)
        told, _ = await self._sound(job, result)
        words = await self._database.read(lambda c: results.words(c, job.id, result))
        if words is None:  # forgotten meanwhile
            raise NotFound("no such job", param="id")
        return replace(told, words=words)

    async def captions(self, key: str, id: str, result: int = 0) -> JobResult:
        """A result with its captions, as long as its sound is there. Raises as `file`, and `NotAvailable`
        where there are none."""
        job = await self._find(key, id, NATIVE)
        told, _ = await self._sound(job, result)
        captions = await self._database.read(lambda c: results.captions(c, job.id, result))
        if captions is None:
            raise NotAvailable(
                "no captions of this job were kept: ask for them with it", param="id"
            )
        return replace(told, captions=captions)

    async def _sound(self, job: Job, result: int) -> tuple[JobResult, StoredFile]:
        if job.status in PENDING:
            after = min(60, math.ceil(job.estimate_s or 1.0))
            raise NotReady("the job has not finished", param="id", retry_after_s=max(1, after))
        if job.status == "failed":
            raise job.error or InternalError("the job failed")
        if job.status == "cancelled":
            raise Gone("the job was cancelled", param="id")
        if not 0 <= result < len(job.results):
            raise NotFound("no such result", param="result")
        try:
            told = job.results[result]
            return told, await self._files.get(job.key, told.file.id)
        except NotFound:  # the job is remembered for longer than its file
            raise Gone("the file has expired", param="id") from None

    async def voices(self) -> set[str]:
        """The voices of all unfinished jobs."""
        return await self._database.read(table.voices)

    async def keeps(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that have jobs."""
        return await self._database.read(lambda c: {key for key in keys if table.keeps(c, key)})

    async def forget_key(self, key: str) -> None:
        """Drop all jobs of a key, those under way too; nobody is told. Their files stay."""
        while await self._endings.forget_key(key, self._runner.stop, FORGOTTEN):
            pass
        self._runner.wake()

    def reserved(self, key: str) -> float:
        """What the unfinished jobs of a key will cost at most."""
        return self._queue.cost_of(key)

    async def _find(self, key: str, id: str, dialect: str) -> Job:
        job, number = await self._database.read(lambda c: table.find(c, key, id, dialect=dialect))
        if job is None and number:
            raise NotAvailable("this job was made by a newer program", param="id")
        if job is None:
            raise NotFound("no such job", param="id")
        return self._as_of_now(job)

    def _as_of_now(self, job: Job) -> Job:
        """With what only memory knows."""
        entry = self._queue.get(job.id)
        if entry is None or job.status not in PENDING:
            return job
        estimate = self._queue.estimate(entry, self._runner.workers)
        if not entry.running:
            position = self._queue.position(entry)
            return replace(job, status="queued", position=position, estimate_s=estimate)
        progress = min(1.0, entry.spoken / max(1, entry.characters))
        return replace(job, status="running", progress=progress, estimate_s=estimate)
