"""HTTP endpoints of jobs: ask for one, see how it is, cancel it, take what it made."""

from __future__ import annotations

import asyncio
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from streamer.captions.files import CONTENT_TYPES, caption_file
from streamer.protocols.native import jobs as wire
from streamer.protocols.strict import Schema
from streamer.resources import JobRequest
from streamer.server.bodies import read_body
from streamer.server.downloads import download
from streamer.server.endpoint import NO_QUERY, idempotency_key_of, json_answer, query_of
from streamer.server.meter import Meter
from streamer.server.service import Service

_LIST: Schema[wire.JobsQuery] = Schema(wire.JobsQuery)
_RESULT: Schema[wire.ResultQuery] = Schema(wire.ResultQuery)
_CAPTIONS: Schema[wire.CaptionsQuery] = Schema(wire.CaptionsQuery)


class JobEndpoints:
    """`/v1/jobs` and what is below it."""

    def __init__(self, service: Service) -> None:
        self._settings = service.settings
        self._jobs = service.resources.jobs
        self._files = service.resources.files
        self._links = service.links

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        meter.check_draining()
        idempotency_key = idempotency_key_of(request)
        body = await read_body(request, self._settings.max_body_bytes)
        return await self.submit(wire.decode_job(body), request, meter, idempotency_key)

    async def submit(
        self, wanted: JobRequest, request: Request, meter: Meter, idempotency_key: str | None
    ) -> Response:
        """The answer to who asks for a job."""
        base = self._links.base(request)
        job, new = await self._jobs.submit(
            meter.key.id,
            wanted,
            idempotency_key=idempotency_key,
            fingerprint=hashlib.sha256(wire.encode_job(wanted)).digest(),
            base_url=base,
            admit=meter.take,
        )
        headers = {"location": f"/v1/jobs/{job.id}"}
        if not new:
            headers["idempotency-replayed"] = "true"
        body = wire.encode_job_state(job, self._links.from_base(base))
        return json_answer(body, 202 if new else 200, headers)

    async def list(self, request: Request, meter: Meter) -> Response:
        query = query_of(request, _LIST)
        some = await self._jobs.list(
            meter.key.id, status=query.status, limit=query.limit + 1, after=query.after
        )
        page = some[: query.limit]
        after = page[-1].id if len(some) > len(page) else None
        return json_answer(wire.encode_jobs(page, self._links.of(request), after))

    async def get(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        job = await self._jobs.get(meter.key.id, request.path_params["id"])
        return json_answer(wire.encode_job_state(job, self._links.of(request)))

    async def cancel(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        job = await self._jobs.cancel(meter.key.id, request.path_params["id"])
        return json_answer(wire.encode_job_state(job, self._links.of(request)))

    async def audio(self, request: Request, meter: Meter) -> Response:
        index = query_of(request, _RESULT).result
        file = await self._jobs.file(meter.key.id, request.path_params["id"], index)
        return await download(file, await self._files.locate(file))

    async def words(self, request: Request, meter: Meter) -> Response:
        index = query_of(request, _RESULT).result
        result = await self._jobs.words(meter.key.id, request.path_params["id"], index)
        return json_answer(wire.encode_words(result.words, result.sample_rate))

    async def captions(self, request: Request, meter: Meter) -> Response:
        query = query_of(request, _CAPTIONS)
        result = await self._jobs.captions(meter.key.id, request.path_params["id"], query.result)
        captions, rate = result.captions or (), result.sample_rate
        file = await asyncio.to_thread(caption_file, captions, rate, query.format)
        return Response(file, headers={"content-type": CONTENT_TYPES[query.format]})
