"""AI/ML API's endpoint: a text is spoken into a file while the client waits for the link to it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from streamer import __version__
from streamer.protocols import aimlapi
from streamer.resources import StoredFile
from streamer.server.endpoint import NO_QUERY, Endpoint, json_answer, query_of
from streamer.server.hosted.base import Hosted, mounted, warn
from streamer.server.meter import Meter
from streamer.server.service import Service


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    speaks = AimlApiEndpoint(service)
    endpoint = Endpoint(
        service, post=speaks.speak, scope="manage", encode_error=aimlapi.encode_error
    )
    return mounted(prefix, {aimlapi.PATH: endpoint})


class AimlApiEndpoint:
    """`POST /v1/tts`."""

    def __init__(self, service: Service) -> None:
        self._files = service.resources.files
        self._hosted = Hosted(service, "aimlapi")

    async def speak(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        wanted = aimlapi.decode_request(await self._hosted.body(request))
        job = await self._hosted.spoken(request, meter, wanted)
        body = aimlapi.encode_answer(
            job,
            self._hosted.link(request),
            sha256=await self._sha256(job.results[0].file),
            version=__version__,
            request_id=meter.request_id,
        )
        return warn(json_answer(body, 201), job.request.warnings)

    async def _sha256(self, file: StoredFile) -> str:
        """Of the file, in hex; "" of one that is not on this machine."""
        place = await self._files.locate(file)
        return "" if isinstance(place, str) else await asyncio.to_thread(_digest, place)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
