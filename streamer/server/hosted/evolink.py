"""Evolink as this server is it: `/evolink/v1/audios/generations`, `/evolink/v1/tasks/{id}` and its cancel."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from streamer.clock import SteadyClock
from streamer.errors import InvalidParameter, NotFound, StreamerError
from streamer.protocols import evolink
from streamer.resources import PENDING, Job, JobRequest, OwnVoice
from streamer.server.endpoint import NO_QUERY, Endpoint, json_answer, query_of
from streamer.server.hosted.base import NOW_S, STAND_IN, Hosted, mounted, warn
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import while_listening
from streamer.tasks import settled
from streamer.types import Description
from streamer.voices import Wish

_ALPHABET = string.digits + string.ascii_lowercase


class EvolinkEndpoints:
    """Tasks of speech and of voices."""

    def __init__(self, service: Service) -> None:
        self._settings = service.settings
        self._service = service
        self._hosted = Hosted(service, evolink.DIALECT)
        self._clock = SteadyClock()

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        asked = evolink.decode_request(await self._hosted.body(request))
        if isinstance(asked, evolink.Speech):
            with _naming(evolink.SPEECH_NAMES):
                wanted = self._speech(meter, asked)
                job = await self._hosted.submit(request, meter, wanted)
        else:
            with _naming(evolink.DESIGN_NAMES):
                job = await self._designed(request, meter, asked)
        return self._told(request, job)

    async def get(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        return self._told(request, await self._find(request, meter))

    async def cancel(self, request: Request, meter: Meter) -> Response:
        """End it; one that has ended stays as it is."""
        query_of(request, NO_QUERY)
        job = await self._find(request, meter)
        return self._told(request, await self._hosted.cancel(meter, job.request.alias))

    async def _find(self, request: Request, meter: Meter) -> Job:
        id = request.path_params["id"]
        if evolink.is_task_id(id):
            with suppress(NotFound):
                return await self._hosted.get(meter, id)
        raise NotFound("no such task", param=evolink.TASK)

    def _told(self, request: Request, job: Job) -> Response:
        body = evolink.encode_state(job, self._hosted.link(request))
        return warn(json_answer(body), job.request.warnings)

    def _speech(self, meter: Meter, speech: evolink.Speech) -> JobRequest:
        designed = evolink.is_designed(speech.voice)
        if self._settings.hosted_strict and not designed:
            raise InvalidParameter("system built-in voices are not supported", param="voice")
        voice = speech.voice
        warnings: tuple[str, ...] = ()
        if designed and self._settings.stand_in and not self._known(meter, voice):
            voice, warnings = self._hosted.stand_in("voice"), (STAND_IN,)
        return evolink.speech_job(
            speech,
            voice,
            id=self._new_id(),
            warnings=warnings,
        )

    async def _designed(self, request: Request, meter: Meter, design: evolink.Design) -> Job:
        """The job that speaks the preview of a new voice, which is made before it; where nobody can, of a
        stand-in."""
        meter.check_draining()
        now = datetime.fromtimestamp(self._clock(), UTC)
        name = evolink.designed_name(design.name, f"{now:%Y%m%d}", _chance(4))
        if not self._hosted.can("design"):
            voice = self._hosted.stand_in("model")
            wanted = evolink.design_job(
                design, voice, name, id=self._new_id(), warnings=(STAND_IN,)
            )
            return await self._hosted.submit(request, meter, wanted)
        language = design.language or "auto"
        source = Description(design.description, design.text, language, secrets.randbits(31))
        make = self._service.enrolling.make(meter, source, Wish(name, language), charged=False)
        made = await while_listening(request.receive, make)
        try:
            wanted = evolink.design_job(design, made.id, name, id=self._new_id())
            job = await self._hosted.submit(request, meter, wanted)
        except BaseException:
            await settled(asyncio.ensure_future(self._take_back(made)))
            raise
        self._service.spawn(self._followed(job, made))
        return job

    async def _followed(self, job: Job, made: OwnVoice) -> None:
        """Where the task is not completed nobody was told what the voice is called: it goes with it."""
        with suppress(StreamerError):
            while job.status in PENDING:
                if self._service.ledger.draining:
                    return  # it is spoken after the next start
                job = await self._service.resources.jobs.wait(job.key, job.id, NOW_S)
            if job.status != "completed":
                await self._take_back(made)

    async def _take_back(self, made: OwnVoice) -> None:
        with suppress(StreamerError):
            await self._service.resources.voices.delete(made.key, made.id)

    def _known(self, meter: Meter, voice: str) -> bool:
        if self._service.catalogue.preset(voice) is not None:
            return True
        return self._service.resources.voices.find(meter.key.id, voice) is not None

    def _new_id(self) -> str:
        return evolink.task_id(self._clock(), _chance(8))


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    """All of Evolink's addresses, and that of the cancel, which its documents only hint at."""
    tasks, words = EvolinkEndpoints(service), evolink.encode_error
    return mounted(
        prefix,
        {
            "/v1/audios/generations": Endpoint(
                service, post=tasks.create, scope="manage", encode_error=words
            ),
            "/v1/tasks/{id}": Endpoint(service, get=tasks.get, scope="manage", encode_error=words),
            "/v1/tasks/{id}/cancel": Endpoint(
                service, post=tasks.cancel, scope="manage", encode_error=words
            ),
        },
    )


@contextmanager
def _naming(names: Mapping[str, str]) -> Iterator[None]:
    """Errors name the parameter as Evolink does."""
    try:
        yield
    except StreamerError as error:
        error.param = names.get(error.param or "", error.param)
        raise


def _chance(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
