"""crun's endpoints: create a task, ask how it is, and what is left of the budget."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from dataclasses import replace

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from streamer.protocols import crun
from streamer.protocols.crun import BALANCE, CREATE, INFO, Task
from streamer.protocols.strict import Schema
from streamer.server.endpoint import NO_QUERY, Endpoint, json_answer, query_of
from streamer.server.hosted.base import STAND_IN, Hosted, mounted, warn
from streamer.server.meter import Meter
from streamer.server.recordings import Recordings
from streamer.server.service import Service
from streamer.server.speech import while_listening
from streamer.types import Description, Reference
from streamer.voices.previews import preview_text


class _InfoQuery(msgspec.Struct, forbid_unknown_fields=True):
    task_id: str


_INFO: Schema[_InfoQuery] = Schema(_InfoQuery)


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    """Below the prefix, by the documents' paths."""
    tasks, words = Tasks(service), crun.encode_error
    endpoints = {
        CREATE: Endpoint(service, post=tasks.create, scope="manage", encode_error=words),
        INFO: Endpoint(service, get=tasks.info, scope="manage", encode_error=words),
        BALANCE: Endpoint(service, get=tasks.balance, scope="usage", encode_error=words),
    }
    return mounted(prefix, endpoints)


class Tasks:
    """A task is a job, which the API calls by an id of its own form."""

    def __init__(self, service: Service) -> None:
        self._hosted = Hosted(service, "crun")
        self._recordings = Recordings(service)

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        task = crun.decode_task(await self._hosted.body(request))
        async with AsyncExitStack() as making:
            voice, warnings = await while_listening(
                request.receive, self._voice(meter, task, making)
            )
            wanted = crun.job_of(task, "task_" + secrets.token_hex(12), voice)
            warnings += self._hosted.unfollowed(
                meter,
                wanted.start.options,
                ["input.instructions"] if task.instructions else [],
                ["input.optimize_instructions"] if task.optimize_instructions else [],
            )
            job = await self._hosted.submit(request, meter, replace(wanted, warnings=warnings))
        return warn(json_answer(crun.encode_accepted(job.request.alias)), warnings)

    async def info(self, request: Request, meter: Meter) -> Response:
        job = await self._hosted.get(meter, query_of(request, _INFO).task_id)
        body = crun.encode_info(crun.info_of(job, self._hosted.link(request)))
        return warn(json_answer(body), job.request.warnings)

    async def balance(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        return json_answer(crun.encode_balance(meter.balance()))

    async def _voice(
        self, meter: Meter, task: Task, making: AsyncExitStack
    ) -> tuple[str | None, tuple[str, ...]]:
        """The voice that is made for the task, which is accepted within `making`; where nobody can, the one
        that stands in for it, and the warning of that."""
        if task.model == crun.SPEECH:
            return None, ()
        param = "input.audio_url" if task.model == crun.CLONE else "input.description"
        if self._hosted.can("clone" if task.model == crun.CLONE else "design"):
            meter.check_draining()
            source = await self._source(task)
            passing = self._hosted.passing(meter, source, {"audio": param})
            return await making.enter_async_context(passing), ()
        voice = self._hosted.stand_in(param)
        if task.audio_url:
            self._hosted.service.resources.fetcher.check(task.audio_url, param=param)
        return voice, (STAND_IN,)

    async def _source(self, task: Task) -> Reference | Description:
        if task.model == crun.DESIGN:
            language = task.language or "auto"
            return Description(task.description, preview_text([language]), language)
        return await self._recordings.given(
            lambda: self._recordings.fetched(task.audio_url),
            task.transcript or "",
            param="input.audio_url",
        )
