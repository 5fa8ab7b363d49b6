"""Errors on the wire: the fields of an `error`, close codes, and the native HTTP answer; both roles.

Knows no sockets and no contexts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.errors import (
    CODES,
    AccessError,
    BudgetSpent,
    Draining,
    EngineFailed,
    IdleTimeout,
    InternalError,
    InvalidParameter,
    LimitError,
    MessageLimit,
    MethodNotAllowed,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    RequestError,
    StalledReader,
    StreamerError,
    Unauthenticated,
    from_code,
)

CLOSE_CODES: tuple[tuple[type[StreamerError], int], ...] = (
    (Draining, 1001),
    (AccessError, 1008),
    (BudgetSpent, 1008),
    (MessageLimit, 1009),
    (LimitError, 1013),
    (RequestError, 4000),
    (StalledReader, 4001),
    (IdleTimeout, 4002),
    (StreamerError, 1011),
)
"""Which close code follows an error without a context; the first row that fits. 1001, 1008, 1009, 1011
and 1013 as registered for RFC 6455; 4000 and up are ours."""

_STATUS: Mapping[int, type[StreamerError]] = {
    401: Unauthenticated,
    402: BudgetSpent,
    403: OriginNotAllowed,
    404: NotFound,
    405: MethodNotAllowed,
    413: MessageLimit,
    429: RateLimited,
    503: Draining,
}
"""What an HTTP answer that isn't ours (a proxy's) most likely means."""

_OWN = ("type", "context", "sequence", "code", "message", "param", "retryable", "request_id")
"""Names that a detail of an error can't have."""


def close_code(error: StreamerError) -> int:
    return next(code for kind, code in CLOSE_CODES if isinstance(error, kind))


def error_of_close(code: int, reason: str) -> StreamerError | None:
    """What a closed socket means when no `error` came before; None where it means nothing in particular."""
    if reason in CODES:
        return from_code(reason, f"the server closed the connection: {reason}")
    typical = {1001: Draining, 1009: MessageLimit, 4001: StalledReader, 4002: IdleTimeout}
    return typical[code](f"the server closed the connection ({code})") if code in typical else None


def error_fields(error: StreamerError) -> dict[str, Any]:
    """`code`, `message`, `param`, `retryable` and the error's details beside them."""
    details = {name: value for name, value in error.details.items() if name not in _OWN}
    return {
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "retryable": error.retryable,
        **details,
    }


def error_of(fields: Mapping[str, Any]) -> StreamerError:
    """The typed error; what is unknown in it becomes a detail. An unknown code is `InternalError`."""
    code, message, param = fields.get("code"), fields.get("message"), fields.get("param")
    # Names that Python's own parameters have can't be passed as keywords; no error of ours uses them.
    details = {n: v for n, v in fields.items() if n not in _OWN and n != "self"}
    error = from_code(
        code if isinstance(code, str) else "",
        message if isinstance(message, str) else "",
        param=param if isinstance(param, str) else None,
        **details,
    )
    if isinstance(error, EngineFailed) and isinstance(fields.get("retryable"), bool):
        error.retryable = fields["retryable"]
    return error


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body `{"error": {...}}`, headers in lower case."""
    fields = error_fields(error)
    headers = {"content-type": "application/json"}
    if request_id:
        fields["request_id"] = request_id
        headers["x-request-id"] = request_id
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names a challenge
    wait = error.details.get("retry_after_s")
    if isinstance(wait, int | float):
        headers["retry-after"] = str(max(0, math.ceil(wait)))
    return error.status, dump({"error": fields}), headers


def decode_error(status: int, body: bytes) -> StreamerError:
    """The typed error in an HTTP answer; where the body isn't ours the status decides."""
    try:
        fields = msgspec.json.decode(body)["error"]
        if isinstance(fields["code"], str):
            return error_of(fields)
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
        pass
    return error_of_status(status, f"HTTP {status}")


def error_of_status(status: int, message: str, *, param: str | None = None) -> StreamerError:
    """The error that an HTTP status alone most likely means."""
    other = InvalidParameter if 400 <= status < 500 else InternalError
    return _STATUS.get(status, other)(message, param=param)


def dump(value: Any) -> bytes:
    """JSON. Details of errors may hold anything: what JSON has no word for becomes text."""
    return msgspec.json.encode(value, enc_hook=str)
