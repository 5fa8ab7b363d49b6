"""WebSocket endpoints: the handshake's checks, answered as HTTP before the upgrade, then the loop."""

from __future__ import annotations

import importlib
import secrets
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from streamer.errors import ConnectionLimit, MethodNotAllowed, StreamerError
from streamer.protocols.base import Handshake, Output, ProtocolRow, Refused, Server
from streamer.server.auth import ANONYMOUS, Key
from streamer.server.connection import Connection
from streamer.server.limits import Slot
from streamer.server.meter import Meter
from streamer.server.requests import PREFLIGHT, answer, handshake_of, request_id_of, scheme_of
from streamer.server.service import Service
from streamer.server.writer import SocketGone
from streamer.types import Command, Ready, Start, Subscribe


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A handshake that may go on; holds a connection's place until `slot` is released. With a `refusal` it
    may go on by resuming only."""

    meter: Meter
    dialect: Server
    opening: list[Command | Output]
    slot: Slot
    refusal: StreamerError | None


class AsgiSocket:
    """An accepted WebSocket as a connection sees it."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        await self._checked({"type": "websocket.send", kind: message})

    async def close(self, code: int, reason: str) -> None:
        await self._checked({"type": "websocket.close", "code": code, "reason": reason})

    async def _checked(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError):
            # ASGI 2.4: OSError once the peer is gone. RuntimeError: we have closed it ourselves.
            raise SocketGone from None


class StreamEndpoint:
    """One dialect's WebSocket; a plain GET of the same address says what the handshake would."""

    def __init__(self, service: Service, row: ProtocolRow) -> None:
        assert row.server is not None
        self._service = service
        self._module: Any = importlib.import_module(row.module)
        module, _, attribute = row.server.partition(":")
        self._server: Any = getattr(importlib.import_module(module), attribute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = handshake_of(scope)
        request_id = request_id_of(handshake.headers)
        if scope["type"] == "http":
            response = self._preview(scope, handshake, request_id)
            await response(scope, receive, send)
            return
        await receive()  # websocket.connect
        try:
            admitted = self._admit(scope, handshake, request_id)
        except Refused as refused:
            await _refuse(refused, request_id, send)
            return
        await self._serve(admitted, handshake, receive, send)

    def _admit(self, scope: Scope, handshake: Handshake, request_id: str) -> _Admitted:
        """All checks of a handshake, in order. Raises `Refused`."""
        access = self._service.access
        key: Key | None = None
        try:
            if self._service.ledger.draining:
                self._service.meter(ANONYMOUS, request_id).check_draining()
            origin = access.check_origin(handshake.headers, scheme_of(scope))
            key = access.check_key(self._module.key_of(handshake), origin)
            key.allow("speak", "publish", "listen")
            meter = self._service.meter(key, request_id)
            dialect = self._server()
            opening = dialect.open(handshake)
            return _Admitted(meter, dialect, opening, *self._place(meter, dialect))
        except StreamerError as error:
            raise self._refused(error, key or ANONYMOUS, request_id) from None
        except Refused as refused:
            if refused.error is None:
                raise
            raise self._refused(refused.error, key or ANONYMOUS, request_id) from None

    def _place(self, meter: Meter, dialect: Server) -> tuple[Slot, StreamerError | None]:
        """A connection's place; where there is none, that of a session which the client may have come to take
        up, and why it has none of its own. Raises `Draining`, `ConnectionLimit`."""
        try:
            return meter.connect(), None
        except ConnectionLimit as error:
            lent = self._service.resuming.lend(meter.key) if self._resumable(dialect) else None
            if lent is None:
                raise
            return lent, error

    def _resumable(self, dialect: Server) -> bool:
        return dialect.resumable and self._service.settings.resume_s > 0

    def _refused(self, error: StreamerError, key: Key, request_id: str) -> Refused:
        self._service.meter(key, request_id).error(error)
        return Refused(*self._module.encode_error(error, request_id))

    async def _serve(
        self, admitted: _Admitted, handshake: Handshake, receive: Receive, send: Send
    ) -> None:
        service, meter = self._service, admitted.meter

        def open_session(start: Start | Subscribe) -> Any:
            return service.open_session(start, meter.key, paced=True)

        resumable = self._resumable(admitted.dialect)
        began = time.monotonic()

        def ended(code: int | None) -> None:
            if connection in service.connections:
                service.connections.discard(connection)
                admitted.slot.release()
                seconds = round(time.monotonic() - began, 3)
                meter.log.info("connection ends", extra={"code": code, "seconds": seconds})

        connection = Connection(
            *(admitted.dialect, open_session, meter, service.settings),
            prepare=partial(service.prepare, meter.key.id),
            resuming=service.resuming if resumable else None,
            refusal=admitted.refusal,
            ended=ended,
        )
        socket = AsgiSocket(send)
        headers = [(b"x-request-id", meter.request_id.encode())]
        selected = getattr(self._module, "SUBPROTOCOL", None)
        accept = {
            "type": "websocket.accept",
            "subprotocol": selected if selected in handshake.subprotocols else None,
            "headers": headers,
        }
        try:
            await send(accept)
        except BaseException:
            admitted.slot.release()
            raise
        meter.log.info("connection opens")
        service.connections.add(connection)
        service.ledger.counters.connections += 1
        gone: Message = {}
        try:
            connection.attach(socket)
            await connection.open(self._ready(meter, resumable=resumable), admitted.opening)
            gone = await _read(connection, socket, receive)
        except SocketGone:
            pass
        finally:
            service.ledger.counters.connections -= 1
            await (connection.heir or connection).leave(
                socket, gone.get("code"), closed=_closed(gone)
            )

    def _ready(self, meter: Meter, *, resumable: bool) -> Ready:
        limits = dict(self._service.ledger.limits.told(meter.key.limits, keyed=bool(meter.key.id)))
        token = ""
        if resumable:
            limits["resume_s"] = self._service.settings.resume_s
            token = secrets.token_urlsafe(32)
        return Ready(secrets.token_hex(8), token, limits, meter.request_id)

    def _preview(self, scope: Scope, handshake: Handshake, request_id: str) -> Response:
        """What the handshake would say. Any page may read it: no cookies, and nothing else in it."""
        headers = {"access-control-allow-origin": "*", "x-request-id": request_id}
        headers["access-control-expose-headers"] = "x-request-id, retry-after"
        if scope["method"] == "OPTIONS":
            return Response(status_code=204, headers=headers | PREFLIGHT)
        if scope["method"] not in ("GET", "HEAD"):
            error = MethodNotAllowed(f"{scope['method']} is not for this address")
            return answer(self._module.encode_error, error, request_id, headers | {"allow": "GET"})
        try:
            admitted = self._admit(scope, handshake, request_id)
        except Refused as refused:
            return Response(refused.body, refused.status, headers | refused.headers)
        admitted.slot.release()
        if admitted.refusal is not None:  # who asks has nothing to resume with
            said = self._refused(admitted.refusal, admitted.meter.key, request_id)
            return Response(said.body, said.status, headers | said.headers)
        return Response(b'{"status":"ok"}', 200, headers, "application/json")


async def _read(connection: Connection, socket: AsgiSocket, receive: Receive) -> Message:
    """Hand on messages until the peer is gone, or is heard no more; how that is said."""
    while True:
        message = await receive()
        connection = connection.heir or connection
        if message["type"] == "websocket.disconnect" or not connection.serves(socket):
            return message
        text = message.get("text")
        await connection.receive(message["bytes"] if text is None else text)


def _closed(gone: Message) -> bool:
    """Whether the client closed it, which may say no code: then uvicorn has no `reason` either if the socket
    was only lost."""
    code = gone.get("code")
    return code in (1000, 1001) or (code == 1005 and "reason" in gone)


async def _refuse(refused: Refused, request_id: str, send: Send) -> None:
    headers = {"x-request-id": request_id} | refused.headers
    await send(
        {
            "type": "websocket.http.response.start",
            "status": refused.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "websocket.http.response.body", "body": refused.body})
