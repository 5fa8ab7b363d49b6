"""ModelStream's endpoint: speech as it is made, bare or in JSON."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute

from streamer.protocols import modelstream
from streamer.server.bodies import read_speech
from streamer.server.endpoint import NO_QUERY, Endpoint, query_of
from streamer.server.hosted.base import WARNING, mounted
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import Speech, bare, open_speech


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    speaks = ModelStreamEndpoint(service)
    endpoint = Endpoint(service, post=speaks.speak, encode_error=modelstream.encode_error)
    return mounted(prefix, {modelstream.PATH: endpoint})


class ModelStreamEndpoint:
    """`POST /v1/audio/speech`. An answer in JSON is sent piece by piece too: it ends with the sound."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def speak(self, request: Request, meter: Meter) -> Speech:
        query_of(request, NO_QUERY)
        service = self._service
        body = await read_speech(request, service.settings.max_body_bytes, meter)
        wanted = modelstream.decode_request(body, strict=service.settings.hosted_strict)
        accept = request.headers.get("accept", "")
        json = wanted.start.timestamps != "none" or modelstream.wants_json(accept)
        await service.prepare(meter.key.id, wanted.start.options)
        speech = open_speech(
            wanted,
            meter,
            lambda: service.open_session(wanted.start, meter.key, paced=False),
            modelstream.AnswerEncoder(wanted).push if json else bare,
            in_band=False,
            receive=request.receive,
        )
        await speech.begin()
        speech.headers["content-type"] = modelstream.content_type(wanted, json=json)
        speech.headers["cache-control"] = "no-store"
        if speech.started is not None and speech.started.warnings:
            speech.headers[WARNING] = ", ".join(speech.started.warnings)
        return speech
