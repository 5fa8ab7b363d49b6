"""Errors as OpenAI words them: `{"error": {"message", "type", "param", "code"}}`; both roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from streamer.errors import (
    CODES,
    AccessError,
    LimitError,
    RequestError,
    StreamerError,
    Unauthenticated,
    from_code,
)
from streamer.protocols.native import errors

_PARAMS = {
    "text": "input",
    "audio": "response_format",
    "audio.codec": "response_format",
    "audio.container": "response_format",
    "audio.sample_rate": "response_format",
}
"""OpenAI's names of what our errors name."""


def error_fields(error: StreamerError) -> dict[str, Any]:
    """`{"message", "type", "param", "code"}`; `code` is ours."""
    return {
        "message": error.message,
        "type": _type_of(error),
        "param": _PARAMS.get(error.param or "", error.param),
        "code": error.code,
    }


def _type_of(error: StreamerError) -> str:
    if isinstance(error, Unauthenticated):
        return "authentication_error"
    if isinstance(error, AccessError):
        return "permission_error"
    if isinstance(error, LimitError):
        return "insufficient_quota" if not error.retryable else "rate_limit_error"
    return "invalid_request_error" if isinstance(error, RequestError) else "server_error"


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body, headers in lower case."""
    status, _, headers = errors.encode_error(error, request_id)
    return status, errors.dump({"error": error_fields(error)}), headers


def decode_error(status: int, body: bytes) -> StreamerError:
    """The typed error in an answer, also in OpenAI's own, whose codes are not ours: there the status
    decides."""
    try:
        fields = msgspec.json.decode(body)["error"]
        return error_of(fields, status)
    except (
        msgspec.DecodeError,
        UnicodeError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ):
        return errors.error_of_status(status, f"HTTP {status}")


def error_of(fields: Mapping[str, Any], status: int = 500) -> StreamerError:
    """The typed error in the object under "error"."""
    message, param, code = fields.get("message"), fields.get("param"), fields.get("code")
    text = message if isinstance(message, str) else f"HTTP {status}"
    name = param if isinstance(param, str) else None
    if isinstance(code, str) and code in CODES:
        return from_code(code, text, param=name)
    return errors.error_of_status(status, text, param=name)
