"""A file of captions over HTTP: spoken in time as it is read, or as a job."""

from __future__ import annotations

from email.message import Message

from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import InvalidCaptions, StreamerError
from streamer.protocols.native.caption_files import decode_captions, query_name
from streamer.resources import JobRequest
from streamer.server.bodies import read_speech
from streamer.server.endpoint import idempotency_key_of
from streamer.server.http import Speaks
from streamer.server.jobs import JobEndpoints
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import Speech
from streamer.text.captions import decode


class CaptionEndpoint:
    """`/v1/captions`. What a body is called doesn't matter: WebVTT and SRT are told by how they begin."""

    def __init__(self, service: Service, speaks: Speaks, jobs: JobEndpoints) -> None:
        self._settings = service.settings
        self._speaks = speaks
        self._jobs = jobs

    async def create(self, request: Request, meter: Meter) -> Response | Speech:
        idempotency_key = idempotency_key_of(request)
        body = await read_speech(request, self._settings.max_body_bytes, meter)
        text = decode(body, _charset_of(request))
        if not text.strip():
            raise InvalidCaptions("there is nothing in this file", param="text")
        accept = request.headers.get("accept", "")
        wanted = decode_captions(request.query_params.multi_items(), text, accept=accept)
        try:
            if isinstance(wanted, JobRequest):
                meter.key.allow("manage")
                return await self._jobs.submit(wanted, request, meter, idempotency_key)
            return await self._speaks.speak(wanted, request, meter)
        except StreamerError as error:
            error.param = query_name(error.param)
            raise


def _charset_of(request: Request) -> str | None:
    """What the content type says."""
    head = Message()
    head["content-type"] = request.headers.get("content-type", "")
    charset = head.get_param("charset")
    return charset if isinstance(charset, str) and charset else None
