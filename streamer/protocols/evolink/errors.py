"""Errors as Evolink words them: `{"error": {"code", "message", "type", "param"}}` for a request, and
`{"code", "message"}` in a task that failed.

Codes of tasks are documented, and used for requests too wherever one fits: the documents name only one
of those, `invalid_task_id`. Types are those of the examples in Evolink's OpenAPI files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.errors import (
    BudgetSpent,
    Draining,
    EngineFailed,
    FileQuota,
    IdleTimeout,
    KeyRevoked,
    LimitError,
    MessageLimit,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    OriginNotAllowed,
    RequestError,
    ScopeMissing,
    StorageFull,
    StorageUnavailable,
    StreamerError,
    TokenExpired,
    Unauthenticated,
    VoiceLimit,
)
from streamer.protocols.hosted import failure

TASK = "task_id"
"""What a `NotFound` of a task names as its parameter."""
MESSAGE = 500
"""Most characters of an error's message that a task tells."""

_ROWS: tuple[tuple[type[StreamerError], int, str, str], ...] = (
    (Unauthenticated, 401, "unauthorized", "authentication_error"),
    (KeyRevoked, 401, "unauthorized", "authentication_error"),
    (TokenExpired, 401, "unauthorized", "authentication_error"),
    (ScopeMissing, 403, "permission_denied", "permission_error"),
    (OriginNotAllowed, 403, "permission_denied", "permission_error"),
    (BudgetSpent, 402, "quota_exceeded", "insufficient_quota_error"),
    (FileQuota, 402, "quota_exceeded", "insufficient_quota_error"),
    (VoiceLimit, 402, "quota_exceeded", "insufficient_quota_error"),
    (LimitError, 429, "resource_exhausted", "rate_limit_error"),
    (MessageLimit, 413, "invalid_parameters", "request_too_large_error"),
    (MethodNotAllowed, 405, "invalid_parameters", "invalid_request_error"),
    (NotFound, 404, "resource_not_found", "not_found_error"),
    (NotAvailable, 404, "resource_not_found", "not_found_error"),
    (RequestError, 400, "invalid_parameters", "invalid_request_error"),
    (EngineFailed, 502, "service_error", "upstream_error"),
    (IdleTimeout, 408, "generation_timeout", "timeout_error"),
    (Draining, 503, "service_unavailable", "service_unavailable_error"),
    (StorageFull, 503, "service_unavailable", "service_unavailable_error"),
    (StorageUnavailable, 503, "service_unavailable", "service_unavailable_error"),
    (StreamerError, 500, "unknown_error", "internal_server_error"),
)
"""Of a kind of error: HTTP status, code, type; the first row that fits."""

CANCELLED = "request_cancelled"
_FAILURES: Mapping[str, tuple[int, bool]] = {
    "content_policy_violation": (400, False),
    "invalid_parameters": (400, False),
    CANCELLED: (400, False),
    "generation_failed_no_content": (500, True),
    "service_error": (500, True),
    "generation_timeout": (504, True),
    "resource_exhausted": (429, True),
    "quota_exceeded": (429, True),
    "service_unavailable": (503, True),
    "resource_not_found": (404, True),
    "unknown_error": (500, True),
}
"""Codes of a failed task: the HTTP status that means the same, and whether the documents say that it can
be tried again ("retry later")."""


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body, headers in lower case."""
    status, code, kind = _row(error)
    if isinstance(error, NotFound) and error.param == TASK:
        status, code, kind = 400, "invalid_task_id", "invalid_request_error"
    fields: dict[str, Any] = {"code": code, "message": error.message, "type": kind}
    if error.param:
        fields["param"] = error.param
    headers = {"content-type": "application/json"}
    if request_id:
        headers["x-request-id"] = request_id
    if status == 401:
        headers["www-authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names a challenge
    wait = error.details.get("retry_after_s")
    if isinstance(wait, int | float):
        headers["retry-after"] = str(max(0, math.ceil(wait)))
    return status, msgspec.json.encode({"error": fields}), headers


def task_error(error: StreamerError) -> tuple[str, str]:
    """Code and message of a task that failed of it."""
    code = _row(error)[1]
    return code if code in _FAILURES else "unknown_error", error.message[:MESSAGE]


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> EngineFailed:
    """The error of an HTTP answer that is not 2xx."""
    try:
        said = msgspec.json.decode(body)["error"]["message"]
    except (msgspec.DecodeError, UnicodeError, RecursionError, LookupError, TypeError):
        said = ""
    return failure(status, headers, said if isinstance(said, str) else "")


def task_failure(code: str, message: str) -> EngineFailed:
    """The error of a task that failed."""
    status, retryable = _FAILURES.get(code, (500, True))
    return failure(status, said=f"{code}: {message}" if message else code, retryable=retryable)


def _row(error: StreamerError) -> tuple[int, str, str]:
    return next((s, code, kind) for cls, s, code, kind in _ROWS if isinstance(error, cls))
