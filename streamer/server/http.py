"""HTTP endpoints: speech, voices, models, usage, health, metrics, the page. Thin: parse, speak, render."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.errors import (
    IdleTimeout,
    MessageLimit,
    MethodNotAllowed,
    NotFound,
    StreamerError,
)
from streamer.protocols import native, openai
from streamer.protocols.base import SpeechRequest
from streamer.server import metrics
from streamer.server.auth import ANONYMOUS
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
from streamer.server.speech import ClientGone, Encode, Speech, bare, open_speech

BODY_S = 30.0
"""A request's body is due within this time."""

LINGER_S = 2.0
"""How long the rest of a body that is too long is heard out (RFC 9112, 9.6)."""

Work = Callable[[Request, Meter], Awaitable[Response | Speech]]


class Endpoint:
    """One address: checks, then its work, then headers that every answer has."""

    def __init__(
        self,
        service: Service,
        work: Work,
        *,
        method: str = "GET",
        scope: str | None = "speak",
        encode_error: EncodeError = native.encode_error,
    ) -> None:
        self._service = service
        self._work = work
        self._methods = ("GET", "HEAD") if method == "GET" else (method,)
        self._scope = scope
        self._encode_error = encode_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handshake = handshake_of(scope)
        request_id = request_id_of(handshake.headers)
        headers = {"x-request-id": request_id} | cors(None)
        meter = self._service.meter(ANONYMOUS, request_id)
        response: Response | Speech
        try:
            if scope["method"] not in (*self._methods, "OPTIONS"):
                headers["allow"] = ", ".join(self._methods)
                raise MethodNotAllowed(f"{scope['method']} is not for this address")
            if self._scope is not None:
                access = self._service.access
                headers |= cors(access.check_origin(handshake.headers, scheme_of(scope)))
                if scope["method"] != "OPTIONS":
                    meter = self._service.meter(
                        access.check_key(native.key_of(handshake)), request_id
                    )
                    meter.key.allow(self._scope)
            if scope["method"] == "OPTIONS":
                response = Response(status_code=204, headers=PREFLIGHT)
            else:
                response = await self._work(Request(scope, receive), meter)
        except ClientGone:
            return
        except Exception as fault:
            error = fault if isinstance(fault, StreamerError) else meter.fault(fault)
            meter.error(error)
            if isinstance(error, MessageLimit | IdleTimeout):
                headers["connection"] = "close"  # the rest of the body is not wanted
            response = answer(self._encode_error, error, request_id)
        response.headers.update(headers)
        status = getattr(response, "status_code", 200)
        meter.log.log(
            logging.DEBUG if self._scope is None else logging.INFO,
            "request",
            extra={"method": scope["method"], "path": scope["path"][:200], "status": status},
        )
        await response(scope, receive, send)


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises `MessageLimit`, `IdleTimeout`, or `ClientGone`."""
    body, pieces = bytearray(), _pieces(request)
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in pieces:
                body += piece
                if len(body) > limit:
                    break
    except TimeoutError:
        raise IdleTimeout("the body did not come in time") from None
    if len(body) <= limit:
        return bytes(body)
    # A client that is still sending when we close never sees the answer: hear it out for a while.
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_S):
            async for _ in pieces:
                pass
    raise MessageLimit(f"a body of more than {limit} bytes", limit=limit)


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        yield message.get("body", b"")
        more = message.get("more_body", False)


class Speaks:
    """The endpoints that speak, each in its dialect's words."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def native(self, request: Request, meter: Meter) -> Speech:
        body = await read_body(request, self._service.settings.max_body_bytes)
        wanted = native.decode_speech(body, accept=request.headers.get("accept", ""))
        if wanted.delivery == "lines":
            encode = native.LineEncoder().push
            speech = await self._begin(wanted, meter, encode, request.receive, in_band=True)
            speech.headers["content-type"] = native.NDJSON
        else:
            speech = await self._begin(wanted, meter, bare, request.receive)
            assert speech.started is not None
            speech.headers["content-type"] = speech.started.mime
        return speech

    async def openai(self, request: Request, meter: Meter) -> Speech:
        body = await read_body(request, self._service.settings.max_body_bytes)
        catalogue = self._service.catalogue
        known = {voice.id for voice in catalogue.voices} | set(catalogue.aliases)
        wanted = openai.decode_request(body, known=known)
        sse = wanted.delivery == "sse"
        encode = openai.EventEncoder().push if sse else bare
        speech = await self._begin(wanted, meter, encode, request.receive, in_band=sse)
        speech.headers["content-type"] = openai.content_type(wanted)
        return speech

    async def _begin(
        self,
        wanted: SpeechRequest,
        meter: Meter,
        encode: Encode,
        receive: Receive,
        *,
        in_band: bool = False,
    ) -> Speech:
        speech = open_speech(
            wanted,
            meter,
            lambda: self._service.open_session(wanted.start, paced=False),
            encode,
            in_band=in_band,
            receive=receive,
        )
        await speech.begin()
        speech.headers["cache-control"] = "no-store"
        return speech


class Tells:
    """The endpoints that tell about the server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def voices(self, request: Request, meter: Meter) -> Response:
        return _json(native.encode_voices(self._service.catalogue.voices))

    async def models(self, request: Request, meter: Meter) -> Response:
        return _json(openai.encode_models([*self._service.catalogue.engines, "tts-1"]))

    async def model(self, request: Request, meter: Meter) -> Response:
        name = request.path_params["name"]
        if name not in (*self._service.catalogue.engines, "tts-1"):
            raise NotFound("no such model", param="model")
        return _json(openai.encode_model(name))

    async def usage(self, request: Request, meter: Meter) -> Response:
        """The key's own rows; all of them where there are no keys."""
        ledger, key = self._service.ledger, meter.key
        rows = await asyncio.to_thread(ledger.usage.rows, key.id or None)
        shown = [
            {
                "day": row.day,
                "key": row.key,
                "characters": row.used.characters,
                "audio_seconds": round(row.used.audio_seconds, 3),
                "contexts": row.used.contexts,
                "errors": row.used.errors,
                "cost": round(row.used.cost, 9),
            }
            for row in rows
        ]
        budget = {"budget": key.limits.budget, "spent": round(ledger.usage.spent(key.id), 9)}
        return _json(json.dumps({"usage": shown, **budget}).encode())

    async def health(self, request: Request, meter: Meter) -> Response:
        return _json(b'{"status":"ok"}')

    async def ready(self, request: Request, meter: Meter) -> Response:
        meter.check_draining()
        return _json(b'{"status":"ready"}')

    async def metrics(self, request: Request, meter: Meter) -> Response:
        body = metrics.render(self._service.ledger.counters)
        return Response(body, headers={"content-type": metrics.CONTENT_TYPE})


class Page:
    """The page that speaks: allowed to run its own script, to show its own style, to reach only us."""

    def __init__(self) -> None:
        self._html = files("streamer.server").joinpath("static/index.html").read_text("utf-8")
        policy = {
            "default-src": "'none'",
            "connect-src": "'self'",
            "img-src": "data:",
            "script-src": _hash_of(self._html, "script"),
            "style-src": _hash_of(self._html, "style"),
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        self._headers = {
            "content-security-policy": "; ".join(f"{n} {v}" for n, v in policy.items()),
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cache-control": "no-cache",
        }

    async def show(self, request: Request, meter: Meter) -> Response:
        return Response(self._html, headers=self._headers, media_type="text/html")


def _hash_of(html: str, tag: str) -> str:
    """The CSP source of the one inline element of that name."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert found is not None, tag
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, headers=headers, media_type="application/json")


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
