"""Errors in Evolink's own form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from streamer.errors import (
    BudgetSpent,
    Draining,
    EngineFailed,
    IdleTimeout,
    InternalError,
    InvalidParameter,
    KeyRevoked,
    MessageLimit,
    MethodNotAllowed,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    ScopeMissing,
    StorageFull,
    StreamerError,
    TokenExpired,
    Unauthenticated,
    UnknownVoice,
)
from streamer.protocols.evolink import Client, encode_error
from streamer.protocols.hosted import Call
from tests.protocols.strategies import errors

ROWS: list[tuple[StreamerError, int, str, str]] = [
    (InvalidParameter("x", param="prompt"), 400, "invalid_parameters", "invalid_request_error"),
    (UnknownVoice("x", param="voice"), 400, "invalid_parameters", "invalid_request_error"),
    (NotFound("x", param="task_id"), 400, "invalid_task_id", "invalid_request_error"),
    (NotFound("x", param="model"), 404, "resource_not_found", "not_found_error"),
    (Unauthenticated("x"), 401, "unauthorized", "authentication_error"),
    (KeyRevoked("x"), 401, "unauthorized", "authentication_error"),
    (TokenExpired("x"), 401, "unauthorized", "authentication_error"),
    (BudgetSpent("x"), 402, "quota_exceeded", "insufficient_quota_error"),
    (ScopeMissing("x"), 403, "permission_denied", "permission_error"),
    (OriginNotAllowed("x"), 403, "permission_denied", "permission_error"),
    (MethodNotAllowed("x"), 405, "invalid_parameters", "invalid_request_error"),
    (IdleTimeout("x"), 408, "generation_timeout", "timeout_error"),
    (MessageLimit("x"), 413, "invalid_parameters", "request_too_large_error"),
    (RateLimited("x"), 429, "resource_exhausted", "rate_limit_error"),
    (InternalError("x"), 500, "unknown_error", "internal_server_error"),
    (EngineFailed("x"), 502, "service_error", "upstream_error"),
    (Draining("x"), 503, "service_unavailable", "service_unavailable_error"),
    (StorageFull("x"), 503, "service_unavailable", "service_unavailable_error"),
]


@pytest.mark.parametrize(("error", "status", "code", "kind"), ROWS, ids=lambda v: str(v)[:40])
def test_an_error_has_its_status_code_and_type(
    error: StreamerError, status: int, code: str, kind: str
) -> None:
    got, body, headers = encode_error(error, "r-1")

    fields = {"code": code, "message": "x", "type": kind}
    if error.param:
        fields["param"] = error.param
    assert (got, json.loads(body)) == (status, {"error": fields})
    assert headers["x-request-id"] == "r-1"
    assert ("www-authenticate" in headers) == (status == 401)


def test_an_error_says_when_to_come_back() -> None:
    _, _, headers = encode_error(RateLimited("x", retry_after_s=1.2))
    assert headers["retry-after"] == "2"

    with pytest.raises(EngineFailed) as caught:
        Client().read(Call("GET", "/"), 429, headers, b"")
    assert caught.value.details == {"retry_after_s": 2.0}


@given(errors)
def test_every_error_is_in_this_form_and_read_back_as_what_it_is_worth(
    error: StreamerError,
) -> None:
    status, body, headers = encode_error(error)
    fields = json.loads(body)["error"]

    assert 400 <= status < 600
    assert set(fields) - {"param"} == {"code", "message", "type"}
    with pytest.raises(EngineFailed) as caught:
        Client().read(Call("GET", "/"), status, headers, body)
    if error.retryable and status != 400:
        assert caught.value.retryable


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "x"}', b'{"error": {}}', b"\xff"]
)
def test_an_answer_of_a_proxy_is_read_by_its_status(body: bytes) -> None:
    for status, retryable in ((400, False), (401, False), (402, False), (429, True), (502, True)):
        with pytest.raises(EngineFailed) as caught:
            Client().read(Call("GET", "/"), status, {}, body)
        assert caught.value.retryable is retryable
