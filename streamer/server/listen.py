"""Who asks to hear or read a channel over HTTP."""

from __future__ import annotations

from contextlib import ExitStack

from starlette.requests import Request
from starlette.responses import Response

from streamer.server.channels import Place
from streamer.server.channels.http import HEADERS, QUERY, Listening, audio_of, mime_of, since_of
from streamer.server.endpoint import query_of
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.server.speech import while_listening


class ListenEndpoint:
    """`/v1/listen/{address}`: a channel's name, a dot, and how it is heard."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get(self, request: Request, meter: Meter) -> Response | Listening:
        """Raises `NotFound`, `ScopeMissing`, or what the limits have against it."""
        query = query_of(request, QUERY)
        name, _, kind = request.path_params["address"].rpartition(".")
        audio = audio_of(kind)
        meter.key.allow_listening(name)
        channel = self._service.channels.find(meter.key.id, name)
        if request.method == "HEAD":
            response = Response(headers={"content-type": mime_of(audio), **HEADERS})
            del response.headers["content-length"]  # there is no telling
            return response
        with ExitStack() as undo:
            slot = meter.connect(listens=True)
            undo.callback(slot.release)
            place = Place(channel, audio, since_of(query, channel))
            undo.callback(place.leave)
            await while_listening(request.receive, place.find())
            undo.pop_all()
        timeout_s = self._service.settings.send_timeout_s
        return Listening(place, meter, slot, timeout_s, self._service.connections)
