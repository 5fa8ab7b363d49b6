"""What a job has to pass before it is one, and how it becomes one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from streamer.config import Settings
from streamer.database import Database
from streamer.errors import InvalidParameter, JobLimit, TextLimit
from streamer.feeding import rehearse
from streamer.files import FileStore
from streamer.jobs import dialects, table
from streamer.jobs.queue import Queue
from streamer.jobs.speaking import OpenSession, first_seed
from streamer.jobs.stored import Stored
from streamer.jobs.table import Entry
from streamer.jobs.whole import spoken_of
from streamer.resources import NATIVE, Job, JobRequest
from streamer.tasks import settled
from streamer.webhooks import Webhooks

Admit = Callable[[int, float], None]
"""Hears how many characters a new job will speak and what that costs at most; raises what a budget or a
rate has against it."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Takes jobs in, and then `wake`s whoever speaks them. `as_of_now`: a job with its place in the queue."""

    database: Database
    files: FileStore
    webhooks: Webhooks
    open_session: OpenSession
    settings: Settings
    clock: Callable[[], float]
    queue: Queue
    wake: Callable[[], None]
    as_of_now: Callable[[Job], Job]

    async def accept(
        self,
        key: str,
        request: JobRequest,
        base_url: str,
        admit: Admit,
        idempotency: str | None = None,
        fingerprint: bytes = b"",
    ) -> Job:
        """The job, queued, once it is on disk. Raises what is wrong with it, and what `admit` raises."""
        self._check(key, request)
        await self._check_alias(key, request)
        session = self.open_session(spoken_of(request), key=key)
        speaker = await rehearse(session, request.text, self.settings.max_pending_chars)
        self._check_room(key)
        characters = session.characters * request.results
        cost = round(speaker.cost * request.results, 9)
        admit(characters, cost)
        options = first_seed(request.start.options, lambda: secrets.randbits(31))
        request = replace(request, start=replace(request.start, options=options))
        job = Job(
            *("job_" + secrets.token_hex(12), key, "queued", request, self.clock()),
            voice=speaker.voice,
            engine=speaker.engine,
            base_url=base_url,
            text_characters=session.characters,
            reserved=cost,
        )
        kept = Stored(request, not speaker.varies_by_seed and request.results > 1, base_url)
        entry = Entry(job.id, key, characters, cost=cost, urgent=request.urgent)
        self.queue.hold(entry)  # now, so that no other job gets the same room or budget

        async def write() -> Job:
            try:
                entry.seq = await self.database.write(
                    lambda c: table.insert(c, job, kept, characters, idempotency, fingerprint)
                )
            except BaseException:
                self.queue.drop(entry)
                raise
            self.queue.add(entry)
            self.wake()
            return self.as_of_now(job)

        # Of its own, since a transaction that has begun is written also if we are cancelled.
        return await settled(asyncio.create_task(write()))

    def _check(self, key: str, request: JobRequest) -> None:
        settings = self.settings
        if not 1 <= request.results <= settings.max_job_results:
            most = settings.max_job_results
            raise InvalidParameter(f"results must be within 1 and {most}", param="results")
        if not request.text:
            raise InvalidParameter("there is no text", param="text")
        limit = settings.max_context_chars
        if len(request.text) > limit:
            raise TextLimit(f"more than {limit} characters", param="text", limit=limit)
        self.files.lifetime(request.ttl_s)
        if request.webhook is not None:
            self.webhooks.check(request.webhook)
        self._check_room(key)

    def _check_room(self, key: str) -> None:
        if self.queue.jobs_of(key) >= self.settings.key_jobs:
            limit = self.settings.key_jobs
            raise JobLimit(f"{limit} jobs are unfinished", limit=limit, retry_after_s=5)

    async def _check_alias(self, key: str, request: JobRequest) -> None:
        """Before anything is charged; the transaction checks it again."""
        name, dialect = request.alias, request.dialect
        if not name or dialect == NATIVE:
            return
        if await self.database.read(lambda c: dialects.find(c, key, dialect, name)):
            raise dialects.taken(name)
