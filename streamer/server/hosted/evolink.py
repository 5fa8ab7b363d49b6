"""Evolink as this server is it: `/evolink/v1/audios/generations`, `/evolink/v1/tasks/{id}` and its cancel."""

from __future__ import annotations

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
from streamer.resources import Job, JobRequest
from streamer.server.endpoint import NO_QUERY, Endpoint, json_answer, query_of
from streamer.server.hosted.base import STAND_IN, Hosted, mounted, warn
from streamer.server.meter import Meter
from streamer.server.service import Service

_ALPHABET = string.digits + string.ascii_lowercase


class EvolinkEndpoints:
    """Tasks of speech and of voices."""

    def __init__(self, service: Service) -> None:
        self._settings = service.settings
        self._catalogue = service.catalogue
        self._hosted = Hosted(service, evolink.DIALECT)
        self._clock = SteadyClock()

    async def create(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        asked = evolink.decode_request(await self._hosted.body(request))
        if isinstance(asked, evolink.Speech):
            names, wanted = evolink.SPEECH_NAMES, self._speech(asked)
        else:
            names, wanted = evolink.DESIGN_NAMES, self._design(asked)
        with _naming(names):
            job = await self._hosted.submit(request, meter, wanted)
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

    def _speech(self, speech: evolink.Speech) -> JobRequest:
        designed = evolink.is_designed(speech.voice)
        if self._settings.hosted_strict and not designed:
            raise InvalidParameter("system built-in voices are not supported", param="voice")
        voice = speech.voice
        warnings: tuple[str, ...] = ()
        if designed and self._settings.stand_in and not self._known(voice):
            voice, warnings = self._hosted.stand_in("voice"), (STAND_IN,)
        return evolink.speech_job(
            speech,
            voice,
            id=self._new_id(),
            warnings=warnings,
        )

    def _design(self, design: evolink.Design) -> JobRequest:
        voice = self._hosted.stand_in("model")
        now = datetime.fromtimestamp(self._clock(), UTC)
        name = evolink.designed_name(design.name, f"{now:%Y%m%d}", _chance(4))
        return evolink.stand_in_job(
            design,
            voice,
            name,
            id=self._new_id(),
            warnings=(STAND_IN,),
        )

    def _known(self, voice: str) -> bool:
        catalogue = self._catalogue
        return voice in catalogue.aliases or any(v.id == voice for v in catalogue.voices)

    def _new_id(self) -> str:
        return evolink.task_id(self._clock(), _chance(8))


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    """All of Evolink's addresses, and that of the cancel, which its documents only hint at."""
    tasks, words = EvolinkEndpoints(service), evolink.encode_error
    return mounted(
        prefix,
        {
            "/v1/audios/generations": Endpoint(service, post=tasks.create, encode_error=words),
            "/v1/tasks/{id}": Endpoint(service, get=tasks.get, encode_error=words),
            "/v1/tasks/{id}/cancel": Endpoint(service, post=tasks.cancel, encode_error=words),
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
