"""The WebSocket at `/runware/v1`: arrays of tasks, each answered by itself when it has ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from streamer.errors import (
    ContextConflict,
    ContextLimit,
    IdleTimeout,
    StreamerError,
    Unauthenticated,
)
from streamer.protocols.runware import answers
from streamer.protocols.runware.errors import encode_error, error_item
from streamer.protocols.runware.tasks import Authenticate, Ping, Refusal, Task, decode_tasks
from streamer.server.auth import ANONYMOUS, Key
from streamer.server.hosted.runware.performer import Performer
from streamer.server.hosted.runware.sessions import Session, Sessions
from streamer.server.limits import Slot
from streamer.server.meter import Meter
from streamer.server.requests import handshake_of, request_id_of, scheme_of
from streamer.server.service import Service
from streamer.server.websocket import AsgiSocket
from streamer.server.writer import SocketGone

AUTHENTICATION_S = 15.0
"""The first message is due within this time; it is what the SDK waits for the answer."""
IDLE_S = 120.0
"""Documented: a connection without a message for so long is closed."""
AT_ONCE = 100
"""Tasks of one session under way."""


class RunwareSocket:
    """Its handshake needs no key: the first message has it."""

    def __init__(self, service: Service, performer: Performer) -> None:
        self._service = service
        self._performer = performer
        self._sessions = Sessions(service.settings.send_timeout_s, service.spawn)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = handshake_of(scope)
        request_id = request_id_of(handshake.headers)
        meter = self._service.meter(ANONYMOUS, request_id)
        await receive()  # websocket.connect
        try:
            meter.check_draining()
            origin = self._service.access.check_origin(handshake.headers, scheme_of(scope))
            base = self._service.links.base(HTTPConnection(scope))
            slot = meter.connect()
        except StreamerError as error:
            meter.error(error)
            await _refuse(error, request_id, send)
            return
        socket = AsgiSocket(send)
        headers = [(b"x-request-id", request_id.encode())]
        await send({"type": "websocket.accept", "headers": headers})
        connection = _Connection(
            self._service, self._performer, self._sessions, socket, meter, slot, base, origin
        )
        self._service.connections.add(connection)
        self._service.ledger.counters.connections += 1
        try:
            await connection.run(receive)
        finally:
            self._service.connections.discard(connection)
            self._service.ledger.counters.connections -= 1
            connection.aclose()


class _Connection:
    """One socket. `run` until it is closed, by whichever side."""

    def __init__(
        self,
        service: Service,
        performer: Performer,
        sessions: Sessions,
        socket: AsgiSocket,
        meter: Meter,
        slot: Slot,
        base: str,
        origin: str | None,
    ) -> None:
        self._service = service
        self._performer = performer
        self._sessions = sessions
        self._socket = socket
        self._meter = meter
        self._slot = slot
        self._base = base
        self._origin = origin
        self._session: Session | None = None

    @property
    def key(self) -> Key | None:
        return None if self._session is None else self._meter.key

    async def fail(self, error: StreamerError) -> None:
        """Tell it, and close (1008 for what the client may not, else 1001)."""
        self._meter.error(error)
        with suppress(SocketGone):
            await self._socket.send(answers.envelope([], [error_item(error)]).decode())
        await self._close(1008 if error.status < 500 else 1001, error.code)

    async def drain(self) -> None:
        """What is under way may end, then close."""
        session = self._session
        while session is not None and session.busy:
            await asyncio.wait(set(session.tasks))
        await self.finish()

    async def finish(self) -> None:
        await self._close(1001, "draining")

    async def run(self, receive: Receive) -> None:
        """Hand on messages until the client is gone."""
        while True:
            try:
                async with asyncio.timeout(IDLE_S if self._session else AUTHENTICATION_S):
                    message = await receive()
            except TimeoutError:
                if self._session is not None and self._session.busy:
                    continue
                if self._session is None:
                    await self.fail(Unauthenticated("no authentication in time"))
                else:
                    self._meter.error(IdleTimeout("no message for too long"))
                    await self._close(1001, "idle")
                return
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            try:
                await self._receive(message["bytes"] if text is None else text)
            except StreamerError as error:
                if self._session is None:
                    await self.fail(error)
                    return
                self._meter.error(error)
                await self._session.say(answers.envelope([], [error_item(error)]))

    def aclose(self) -> None:
        """The socket is gone; the session waits for a while."""
        self._slot.release()
        if self._session is not None and self._session.detach(self._socket):
            self._sessions.leave(self._session)

    async def _receive(self, message: str | bytes) -> None:
        for task in decode_tasks(message):
            if isinstance(task, Authenticate):
                await self._authenticate(task)
            elif self._session is None:
                raise Unauthenticated(
                    "the first task of a connection is authentication", missing=True
                )
            elif isinstance(task, Ping):
                await self._session.say(answers.envelope([answers.pong(task.id)]))
            else:
                self._begin(self._session, task)

    async def _authenticate(self, task: Authenticate) -> None:
        access = self._service.access
        if access.keyed and not task.key:
            raise Unauthenticated("authentication has an apiKey", missing=True)
        key = access.check_key(task.key, self._origin)
        key.allow("manage")
        session = self._session
        if session is not None:
            if key.id != session.key:
                raise ContextConflict("the connection has another key", param="apiKey")
        else:
            meter = self._service.meter(key, self._meter.request_id)
            slot = meter.connect()
            self._slot.release()
            self._meter, self._slot = meter, slot
            session = self._session = self._sessions.resume(task.session, key.id)
        told = answers.authenticated(session.id, task.id)
        with suppress(SocketGone, TimeoutError):
            async with asyncio.timeout(self._service.settings.send_timeout_s):
                await self._socket.send(answers.envelope([told]).decode())
        former = await session.attach(self._socket)
        if former is not None and former is not self._socket:
            with suppress(SocketGone):
                await former.close(1001, "resumed elsewhere")

    def _begin(self, session: Session, task: Task | Refusal) -> None:
        if len(session.tasks) >= AT_ONCE:
            limit = ContextLimit(f"{AT_ONCE} tasks are under way", limit=AT_ONCE, retry_after_s=1)
            task = Refusal(limit, "", task.id)
        session.spawn(self._perform(session, task))

    async def _perform(self, session: Session, task: Task | Refusal) -> None:
        if not isinstance(task, Refusal):
            try:
                self._meter.request()
            except StreamerError as error:
                task = Refusal(error, "", task.id)
        told = await self._performer.perform(task, self._meter, self._base)
        # Apart: the SDK looks at no data beside errors.
        if told.data:
            await session.say(answers.envelope(told.data))
        if told.errors:
            await session.say(answers.envelope([], told.errors))

    async def _close(self, code: int, reason: str) -> None:
        with suppress(SocketGone, TimeoutError):
            async with asyncio.timeout(self._service.settings.send_timeout_s):
                await self._socket.close(code, reason)


async def _refuse(error: StreamerError, request_id: str, send: Send) -> None:
    status, body, headers = encode_error(error, request_id)
    start = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "websocket.http.response.start", "status": status, "headers": start})
    await send({"type": "websocket.http.response.body", "body": body})
