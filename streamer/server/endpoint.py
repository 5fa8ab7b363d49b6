"""One HTTP address: who may ask, what is done, what every answer carries."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.errors import (
    FileQuota,
    IdleTimeout,
    InvalidParameter,
    MessageLimit,
    MethodNotAllowed,
    NotFound,
    StreamerError,
)
from streamer.protocols import native
from streamer.protocols.base import Handshake
from streamer.protocols.strict import Schema
from streamer.server.auth import ANONYMOUS
from streamer.server.channels.http import Listening
from streamer.server.logs import CutShort
from streamer.server.meter import Meter
from streamer.server.requests import (
    PREFLIGHT,
    EncodeError,
    answer,
    cors,
    handshake_of,
    request_id_of,
    scheme_of,
)
from streamer.server.service import Service
from streamer.server.speech import ClientGone, Speech

T = TypeVar("T")
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")


class _NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    pass


NO_QUERY: Schema[_NoQuery] = Schema(_NoQuery)
"""Of an address that knows no query parameters."""

Answer = Response | Speech | Listening
Work = Callable[[Request, Meter], Awaitable[Answer]]


class Endpoint:
    """Checks, then the work of the method, then headers that every answer has. HEAD is GET without its
    body. `scope`: what a key must be for; `change`: for POST and DELETE, where that is another. `signed`: a
    query with a `signature`, which the work checks, stands for a key. `linked`: so does one with a `token`
    for listening alone."""

    def __init__(
        self,
        service: Service,
        *,
        get: Work | None = None,
        post: Work | None = None,
        delete: Work | None = None,
        scope: str | None = "speak",
        change: str | None = None,
        signed: bool = False,
        linked: bool = False,
        encode_error: EncodeError = native.encode_error,
    ) -> None:
        works = {"GET": get, "HEAD": get, "POST": post, "DELETE": delete}
        self._service = service
        self._works = {method: work for method, work in works.items() if work is not None}
        self._scope = scope
        self._change = change or scope or ""
        self._signed = signed
        self._linked = linked
        self._encode_error = encode_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = handshake_of(scope)
        request_id = request_id_of(handshake.headers)
        headers = {"x-request-id": request_id} | cors(None)
        meter = self._service.meter(ANONYMOUS, request_id)
        method = scope["method"]
        response: Answer
        try:
            if method not in (*self._works, "OPTIONS"):
                headers["allow"] = ", ".join(self._works)
                raise MethodNotAllowed(f"{method} is not for this address")
            if self._scope is not None:
                access = self._service.access
                origin = access.check_origin(handshake.headers, scheme_of(scope))
                headers |= cors(origin)
                if method != "OPTIONS" and not (self._signed and "signature" in handshake.query):
                    needed = self._change if method in ("POST", "DELETE") else self._scope
                    meter = self._keyed(handshake, origin, needed, request_id)
                    meter.request()
            if method == "OPTIONS":
                response = Response(status_code=204, headers=PREFLIGHT)
            else:
                response = await self._works[method](Request(scope, receive), meter)
        except ClientGone:
            return
        except Exception as fault:
            error = fault if isinstance(fault, StreamerError) else meter.fault(fault)
            meter.error(error)
            if isinstance(error, MessageLimit | IdleTimeout | FileQuota):
                headers["connection"] = "close"  # the rest of the body is not wanted
            response = answer(self._encode_error, error, request_id)
        response.headers.update(headers)
        status = getattr(response, "status_code", 200)
        meter.log.log(
            logging.DEBUG if self._scope is None else logging.INFO,
            "request",
            extra={"method": method, "path": scope["path"][:200], "status": status},
        )
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await response(scope, receive, noting)
        except CutShort:
            raise
        except Exception as fault:
            if begun:
                raise
            error = meter.fault(fault)
            meter.error(error)
            failed = answer(self._encode_error, error, request_id)
            failed.headers.update(headers)
            await failed(scope, receive, send)

    def _keyed(
        self, handshake: Handshake, origin: str | None, scope: str, request_id: str
    ) -> Meter:
        access, token = self._service.access, handshake.query.get("token")
        if self._linked and token:  # an empty one is none, as of a page that has none to give
            key = access.check_listener(token, origin)
        else:
            key = access.check_key(native.key_of(handshake), origin)
        meter = self._service.meter(key, request_id)
        key.allow(scope)
        return meter


def query_of(request: Request, schema: Schema[T]) -> T:
    """The query. Raises `UnknownParameter` or `InvalidParameter`."""
    return schema.query(dict(request.query_params))


def idempotency_key_of(request: Request) -> str | None:
    """Raises `InvalidParameter`."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidParameter(
            "Idempotency-Key is 1 to 255 printable ASCII characters", param="Idempotency-Key"
        )
    return key


def json_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")


def unknown_address(encode_error: Callable[[str], EncodeError]) -> ASGIApp:
    """The answer to addresses that aren't: a typed error, worded as the path's dialect does."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(Headers(scope=scope))
        error: Any = NotFound("nothing at this address")
        response = answer(encode_error(scope["path"]), error, request_id)
        if scope["type"] == "websocket":
            await receive()
        await response(scope, receive, send)

    return respond
