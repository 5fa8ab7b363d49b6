"""`POST /runware/v1`: an array of tasks, answered when all that is waited for has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import StreamerError, Unauthenticated
from streamer.protocols import native
from streamer.protocols.base import Handshake
from streamer.protocols.runware.answers import envelope
from streamer.protocols.runware.errors import encode_error, headers_of, status_of
from streamer.protocols.runware.tasks import Authenticate, Refusal, Task, decode_tasks
from streamer.server.auth import ANONYMOUS
from streamer.server.bodies import read_body
from streamer.server.endpoint import NO_QUERY, Endpoint, query_of
from streamer.server.hosted.base import warn
from streamer.server.hosted.runware.performer import Answer, Performer
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.server.requests import scheme_of
from streamer.server.service import Service
from streamer.server.speech import while_listening

WIDE, WIDE_OF_KEY, WIDE_WAIT_S = 4, 1, 30.0
"""Bodies over the usual size, which hold media: so many at once, of one key, and how long one waits."""
THREAD_BYTES = 65536
"""A body above this is read by a thread of its own."""


class RunwareHttp(Endpoint):
    """One address for all tasks. Its key comes as a header or in the first task."""

    def __init__(self, service: Service, performer: Performer) -> None:
        super().__init__(service, post=self._post, scope="manage", encode_error=encode_error)
        self._performer = performer
        self._wide = Places(WIDE, WIDE_OF_KEY, WIDE_WAIT_S)

    def _keyed(
        self, handshake: Handshake, origin: str | None, scope: str, request_id: str
    ) -> Meter:
        if native.key_of(handshake) is None:
            return self._service.meter(ANONYMOUS, request_id)
        return super()._keyed(handshake, origin, scope, request_id)

    async def _post(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        settings = self._service.settings
        keyed = bool(meter.key.id) or not self._service.access.keyed
        announced = request.headers.get("content-length", "")
        if keyed and announced.isdecimal() and int(announced[:16]) > settings.max_body_bytes:
            async with self._wide.place(meter.key.id):
                limit = settings.max_file_bytes * 4 // 3 + settings.max_body_bytes
                tasks = await _tasks(await read_body(request, limit))
        else:
            tasks = await _tasks(await read_body(request, settings.max_body_bytes))
        meter = self._authenticated(tasks, meter, request)
        base = self._service.links.base(request)
        work = asyncio.gather(*(self._performer.perform(task, meter, base) for task in tasks))
        return _answer(await while_listening(request.receive, _all(work)))

    def _authenticated(
        self, tasks: Sequence[Task | Refusal], meter: Meter, request: Request
    ) -> Meter:
        """The client's meter. Raises `AccessError`, `RateLimited`."""
        access = self._service.access
        origin = access.check_origin(request.headers, scheme_of(request.scope))
        for task in tasks:
            if isinstance(task, Authenticate) and (task.key or not access.keyed):
                key = access.check_key(task.key, origin)
                key.allow("manage")
                if key.id != meter.key.id:
                    meter = self._service.meter(key, meter.request_id)
                    meter.request()
        if access.keyed and not meter.key.id:
            raise Unauthenticated("a key is needed: Authorization: Bearer, or a task", missing=True)
        return meter


async def _tasks(body: bytes) -> list[Task | Refusal]:
    if len(body) > THREAD_BYTES:
        return await asyncio.to_thread(decode_tasks, body)
    return decode_tasks(body)


async def _all(work: asyncio.Future[list[Answer]]) -> list[Answer]:
    return await work


def _answer(told: Sequence[Answer]) -> Response:
    """One answer to all tasks. Its status is an error's only where none of them was begun."""
    data = [item for one in told for item in one.data]
    errors = [item for one in told for item in one.errors]
    refused: list[StreamerError] = [one.refused for one in told if one.refused is not None]
    begun = data or len(refused) < len(errors) or not refused
    response = Response(
        envelope(data, errors), 200 if begun else status_of(refused[0]), headers_of(refused)
    )
    warnings = dict.fromkeys(warning for one in told for warning in one.warnings)
    return warn(response, list(warnings))
