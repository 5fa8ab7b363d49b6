"""`uploadEndpoint`: results are put to an address of the client's once they are there."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from streamer.errors import FetchFailed, StreamerError
from streamer.resources import PENDING, Job, JobResult
from streamer.server.hosted.base import NOW_S
from streamer.server.hosted.runware.media import Media
from streamer.server.service import Service

WAITS_S = (0.0, 1.0, 4.0)
"""Before each attempt."""
AT_ONCE = 4
REMEMBERED = 10000
"""Jobs whose uploads are known; one that is not, after a restart too, is put again when it is asked for."""

Outcome = Sequence[StreamerError | None]
"""What went wrong with each result, or None."""


class Uploads:
    """The uploads of all jobs that ask for them."""

    def __init__(self, service: Service, media: Media) -> None:
        self._service = service
        self._media = media
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: OrderedDict[str, asyncio.Task[Outcome]] = OrderedDict()

    def begin(self, job: Job, url: str) -> asyncio.Task[Outcome]:
        """Put the results of a job as soon as it has ended; the same task if it is asked for again."""
        task = self._known.get(job.id)
        if task is None or task.cancelled():
            while len(self._known) >= REMEMBERED and next(iter(self._known.values())).done():
                self._known.popitem(last=False)
            task = self._known[job.id] = self._service.spawn(self._carry(job, url))
        return task

    def outcome(self, job: Job, url: str) -> Outcome | None:
        """None where it is still under way."""
        task = self.begin(job, url)
        return task.result() if task.done() and not task.cancelled() else None

    async def _carry(self, job: Job, url: str) -> Outcome:
        jobs = self._service.resources.jobs
        while job.status in PENDING:
            if self._service.ledger.draining:
                raise asyncio.CancelledError  # taken up again by whoever asks the next process
            job = await jobs.wait(job.key, job.id, NOW_S)
        return [await self._put(result, url) for result in job.results]

    async def _put(self, result: JobResult, url: str) -> StreamerError | None:
        error: StreamerError | None = None
        async with self._turns:
            for wait_s in WAITS_S:
                await asyncio.sleep(wait_s)
                try:
                    await self._attempt(result, url)
                except FetchFailed as fault:
                    error = fault.with_traceback(None)
                    status = fault.details.get("status")
                    if isinstance(status, int) and status < 500:
                        break
                except StreamerError as fault:
                    return fault.with_traceback(None)
                else:
                    return None
        return error

    async def _attempt(self, result: JobResult, url: str) -> None:
        data = await self._media.read(result.file)
        answer = await self._service.resources.fetcher.put(
            url, data, {"content-type": result.file.content_type}, param="uploadEndpoint"
        )
        if not 200 <= answer.status < 300:
            raise FetchFailed(
                f"uploadEndpoint answered with {answer.status}",
                param="uploadEndpoint",
                reason="status",
                status=answer.status,
            )
