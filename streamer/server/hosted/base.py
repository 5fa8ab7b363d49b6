"""What the endpoints of the hosted APIs share: jobs by dialect, waiting for one, warnings, stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from streamer.errors import (
    Draining,
    EngineFailed,
    Gone,
    InternalError,
    NotAvailable,
    StreamerError,
    UnsupportedParameter,
)
from streamer.protocols.native.fields import Link
from streamer.resources import PENDING, Job, JobRequest, VoiceKind
from streamer.server.bodies import read_body
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import while_listening
from streamer.tasks import settled
from streamer.types import Description, OptionsUpdate, Reference

WARNING = "x-streamer-warning"
"""Header of an answer to a request that is not done as asked: codes, parted by commas."""
STAND_IN = "stand_in"
"""The warning that the setting's voice speaks in place of a clone or a designed one."""
NOW_S = 600.0
"""How long the answer to a request that is waited for may take."""


def mounted(prefix: str, endpoints: Mapping[str, ASGIApp]) -> list[BaseRoute]:
    """Endpoints by their documented paths, below the prefix."""
    return [Route(prefix + path, app, methods=None) for path, app in endpoints.items()]


def warn(response: Response, warnings: Sequence[str]) -> Response:
    """The answer, with what was not done as asked."""
    if warnings:
        response.headers[WARNING] = ", ".join(warnings)
    return response


class Hosted:
    """One API's view of the service. `dialect` is its name in `table.APIS`."""

    def __init__(self, service: Service, dialect: str) -> None:
        self.service = service
        self._dialect = dialect
        self._jobs = service.resources.jobs

    async def body(self, request: Request) -> bytes:
        """The whole body. Raises `MessageLimit`, `IdleTimeout`, or `ClientGone`."""
        return await read_body(request, self.service.settings.max_body_bytes)

    def link(self, request: Request) -> Link:
        """Links to files, as the client reaches this server."""
        return self.service.links.of(request)

    def unfollowed(
        self,
        meter: Meter,
        options: OptionsUpdate,
        hints: Sequence[str],
        never: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Warnings for the style hints that were given (`hints` and `never`, by the API's names) and that
        the engine that will speak can't follow; nothing here follows those of `never`.

        Raises `UnsupportedParameter` for them under the setting `hosted_strict`, and what is wrong with
        the voice or the language.
        """
        ignored = list(never)
        if hints:
            language = options.language or "auto"
            catalogue = self.service.catalogue_of(meter.key.id)
            engine, _ = catalogue.resolve(options.model, options.voice, language)
            if not engine.capabilities.instructions:
                ignored = [*hints, *never]
        if ignored and self.service.settings.hosted_strict:
            raise UnsupportedParameter(
                f"no engine here can follow {ignored[0]!r}", param=ignored[0]
            )
        return tuple(f"{name.rpartition('.')[2]}_ignored" for name in ignored)

    def can(self, kind: VoiceKind) -> bool:
        """Whether an engine here makes such voices. Else a stand-in speaks, or nobody."""
        return self.service.enroller.can(kind)

    @contextlib.asynccontextmanager
    async def passing(
        self, meter: Meter, source: Reference | Description, names: Mapping[str, str]
    ) -> AsyncGenerator[str]:
        """The id of a voice for one task, which is accepted within; see `Enrolling.passing`. `names` are the
        API's for what errors name."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                made = self.service.enrolling.passing(meter, source)
                voice = await stack.enter_async_context(made)
            except StreamerError as error:
                error.param = names.get(error.param or "", error.param)
                raise
            yield voice.id

    def stand_in(self, param: str) -> str:
        """The voice that speaks where no engine can make the one asked for by `param`; the answer is to
        have the warning `STAND_IN`. Raises `NotAvailable` where the setting names none."""
        voice = self.service.settings.stand_in
        if not voice:
            raise NotAvailable("no engine here can make such a voice", param=param)
        return voice

    async def submit(
        self, request: Request, meter: Meter, wanted: JobRequest, *, urgent: bool = False
    ) -> Job:
        """A new job of this API. Raises what can be found wrong with it."""
        meter.check_draining()
        wanted = replace(wanted, dialect=self._dialect, urgent=urgent)
        base = self.service.links.base(request)
        job, _ = await self._jobs.submit(meter.key.id, wanted, base_url=base, admit=meter.take)
        return job

    async def get(self, meter: Meter, id: str) -> Job:
        """A job that came by this API, by its alias or its id. Raises `NotFound`."""
        return await self._jobs.get(meter.key.id, id, dialect=self._dialect)

    async def cancel(self, meter: Meter, id: str) -> Job:
        """End it; one that has ended stays as it is, with its files. Raises `NotFound`."""
        return await self._jobs.cancel(meter.key.id, id, dialect=self._dialect, let_go=False)

    async def spoken(
        self, request: Request, meter: Meter, wanted: JobRequest, timeout_s: float = NOW_S
    ) -> Job:
        """A job of this API, completed: for answers that carry the result. It holds a connection's place,
        and is cancelled where the client goes or it takes too long.

        Raises as `submit`, what it failed with, `EngineFailed` after `timeout_s`, `Draining`, `Gone`
        where it was cancelled meanwhile, or `ClientGone`.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(meter.connect().release)
            job = await self.submit(request, meter, wanted, urgent=True)
            wait = self._jobs.wait(meter.key.id, job.id, timeout_s)
            try:
                job = await while_listening(request.receive, wait)
            except BaseException:
                await self._drop(job)
                raise
            if job.status in PENDING:
                await self._drop(job)
                meter.check_draining()
                raise EngineFailed("it took too long")
        return completed(job)

    async def _drop(self, job: Job) -> None:
        with contextlib.suppress(StreamerError):
            await settled(asyncio.create_task(self._jobs.cancel(job.key, job.id)))


def completed(job: Job) -> Job:
    """A job that has ended well. Raises what it failed with, `Gone` for a cancelled one, and `Draining`
    for one that has not ended."""
    if job.status == "failed":
        raise job.error or InternalError("the job failed")
    if job.status == "cancelled":
        raise Gone("the task was cancelled")
    if job.status in PENDING:
        raise Draining("the server is shutting down", retry_after_s=1)
    return job
