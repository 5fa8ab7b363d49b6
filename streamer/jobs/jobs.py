"""Jobs as the server sees them: ask for one, look at it, list them, cancel it, take what it made."""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import logging
import math
import secrets
import time
from collections.abc import Callable
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
    JobLimit,
    NotAvailable,
    NotFound,
    NotReady,
    StreamerError,
    TextLimit,
)
from streamer.files import FileStore
from streamer.jobs import table
from streamer.jobs.counts import JobCounts
from streamer.jobs.ending import EncodeEvent, Endings
from streamer.jobs.queue import Queue
from streamer.jobs.runner import Runner
from streamer.jobs.speaking import OpenSession, first_seed, rehearse
from streamer.jobs.stored import Stored
from streamer.jobs.table import Entry
from streamer.resources import PENDING, Job, JobRequest, JobStatus, StoredFile
from streamer.tasks import Turns, settled
from streamer.usage import Usage
from streamer.webhooks import Webhooks

log = logging.getLogger(__name__)

Admit = Callable[[int], None]
"""Hears how many characters a new job will speak; raises what a budget or a rate has against it."""
LONGEST_KEY = 255


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
        pause_s: float = 1.0,
    ) -> None:
        self.counts = JobCounts()
        self._database = database
        self._files = files
        self._webhooks = webhooks
        self._open_session = open_session
        self._settings = settings
        self._clock = clock
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
            pause_s,
        )
        self._runner = Runner(database, self._queue, self._endings, open_session, pause_s=pause_s)
        self._turns = Turns()

    async def start(self) -> None:
        """Take up what an earlier process left; what was running then has seen a crash more.

        Raises `StorageUnavailable` where the database can't be read; where it can't be written the jobs
        are taken up all the same.
        """
        entries, unknown = await self._database.read(table.unfinished)
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
        admit: Admit = lambda characters: None,
    ) -> tuple[Job, bool]:
        """A job, once it is on disk, and whether it is new.

        `fingerprint` stands for the meaning of the request: asked again with the same idempotency key,
        it is the same job if that is equal too, else `IdempotencyConflict`. Raises what can be found
        wrong with the request before it is spoken, `JobLimit`, `Draining`, and what `admit` raises,
        which is called once for a new job.
        """
        if self._runner.draining:
            raise Draining("the server is shutting down", retry_after_s=1)
        if idempotency_key is None:
            return await self._accept(key, request, base_url, admit), True
        if not 1 <= len(idempotency_key) <= LONGEST_KEY or not idempotency_key.isprintable():
            raise InvalidParameter(
                f"1 to {LONGEST_KEY} printable characters", param="Idempotency-Key"
            )
        fingerprint = fingerprint or hashlib.sha256(msgspec.json.encode(request)).digest()
        async with self._turns.of((key, idempotency_key)):
            known = await self._database.read(lambda c: table.known(c, key, idempotency_key))
            if known is None:
                kept = (idempotency_key, fingerprint)
                return await self._accept(key, request, base_url, admit, *kept), True
            if known[1] != fingerprint:
                raise IdempotencyConflict(
                    "this key was used for another request", param="Idempotency-Key"
                )
            return await self.get(key, known[0]), False

    async def get(self, key: str, id: str) -> Job:
        """A job of this key, with the words of its results. Raises `NotFound`."""
        return await self._find(key, id, words=True)

    async def list(
        self,
        key: str,
        *,
        status: JobStatus | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> builtins.list[Job]:
        """Jobs of this key, newest first, those after the job `after`; without the words of their results.
        Raises `InvalidParameter`."""
        page = await self._database.read(lambda c: table.page(c, key, status, limit, after))
        if page is None:
            raise InvalidParameter("no such job", param="after")
        return [self._as_of_now(job) for job in page]

    async def cancel(self, key: str, id: str) -> Job:
        """End a job that has not ended; of one that has, let the files go. Nothing of it is left when this
        returns. Raises `NotFound`."""
        await self._endings.cancel(await self._find(key, id, words=False), self._runner.stop)
        self._runner.wake()
        return await self._find(key, id, words=False)

    async def file(self, key: str, id: str, result: int = 0) -> StoredFile:
        """The sound of a result. Raises `NotReady`, `Gone` (cancelled, expired, deleted), `NotFound`, or
        what the job failed with."""
        job = await self._find(key, id, words=False)
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
            return await self._files.get(key, job.results[result].file.id)
        except NotFound:  # the job is remembered for longer than its file
            raise Gone("the file has expired", param="id") from None

    def reserved(self, key: str) -> int:
        """Characters that the unfinished jobs of a key will speak, over all results."""
        return self._queue.characters_of(key)

    async def _accept(
        self,
        key: str,
        request: JobRequest,
        base_url: str,
        admit: Admit,
        idempotency: str | None = None,
        fingerprint: bytes = b"",
    ) -> Job:
        self._check(key, request)
        session = self._open_session(request.start)
        speaker = await rehearse(session, request.text, self._settings.max_pending_chars)
        self._check_room(key)
        characters = len(request.text) * request.results
        admit(characters)
        options = first_seed(request.start.options, lambda: secrets.randbits(31))
        request = replace(request, start=replace(request.start, options=options))
        job = Job(
            *("job_" + secrets.token_hex(12), key, "queued", request, self._clock()),
            voice=speaker.voice,
            engine=speaker.engine,
            base_url=base_url,
        )
        kept = Stored(request, not speaker.varies_by_seed and request.results > 1, base_url)
        entry = Entry(job.id, key, characters)
        self._queue.hold(entry)  # now, so that no other job gets the same room or budget

        async def write() -> Job:
            try:
                entry.seq = await self._database.write(
                    lambda c: table.insert(c, job, kept, characters, idempotency, fingerprint)
                )
            except BaseException:
                self._queue.drop(entry)
                raise
            self._queue.add(entry)
            self._runner.wake()
            return self._as_of_now(job)

        # Of its own, since a transaction that has begun is written also if we are cancelled.
        return await settled(asyncio.create_task(write()))

    def _check(self, key: str, request: JobRequest) -> None:
        settings = self._settings
        if not 1 <= request.results <= settings.max_job_results:
            most = settings.max_job_results
            raise InvalidParameter(f"results must be within 1 and {most}", param="results")
        if not request.text:
            raise InvalidParameter("there is no text", param="text")
        limit = settings.max_context_chars
        if len(request.text) > limit:
            raise TextLimit(f"more than {limit} characters", param="text", limit=limit)
        self._files.lifetime(request.ttl_s)
        if request.webhook is not None:
            self._webhooks.check(request.webhook)
        self._check_room(key)

    def _check_room(self, key: str) -> None:
        if self._queue.jobs_of(key) >= self._settings.key_jobs:
            limit = self._settings.key_jobs
            raise JobLimit(f"{limit} jobs are unfinished", limit=limit, retry_after_s=5)

    async def _find(self, key: str, id: str, *, words: bool) -> Job:
        job, number = await self._database.read(lambda c: table.find(c, key, id, words=words))
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
