"""What HTTP requests and WebSocket handshakes have in common: ids, headers, CORS, answers in JSON."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import Scope

from streamer.errors import StreamerError
from streamer.protocols.base import Handshake

EncodeError = Callable[[StreamerError, str], tuple[int, bytes, dict[str, str]]]
"""A dialect's HTTP answer to an error: status, body, headers."""

EXPOSED = (
    "x-request-id, retry-after, location, idempotency-replayed, accept-ranges, content-range, etag,"
    " content-disposition, x-streamer-warning, x-streamer-start-ms"
)
"""Headers of an answer that an allowed page may read, besides those that it always may."""

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's own X-Request-ID, if it is one, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)


def handshake_of(scope: Scope) -> Handshake:
    """The opening request, of either kind."""
    headers = Headers(scope=scope)
    offered = headers.getlist("sec-websocket-protocol")
    return Handshake(
        path=scope["path"],
        query=dict(QueryParams(scope.get("query_string", b""))),
        headers=dict(headers),
        subprotocols=[name.strip() for line in offered for name in line.split(",")],
    )


def scheme_of(scope: Scope) -> str:
    """http or https, as an Origin has it."""
    return "https" if scope.get("scheme") in ("https", "wss") else "http"


def cors(origin: str | None) -> dict[str, str]:
    """Headers that let an allowed page read the answer."""
    headers = {"vary": "origin"}
    if origin is not None:
        headers["access-control-allow-origin"] = origin
        headers["access-control-expose-headers"] = EXPOSED
    return headers


PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST, DELETE",
    "access-control-allow-headers": "authorization, x-api-key, content-type, x-request-id,"
    " idempotency-key, range, if-range",
    "access-control-max-age": "600",
}


def answer(
    encode_error: EncodeError,
    error: StreamerError,
    request_id: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as the dialect words it."""
    status, body, own = encode_error(error, request_id)
    return Response(body, status, {"x-request-id": request_id, **(headers or {}), **own})
