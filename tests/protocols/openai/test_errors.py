import json

import pytest

from streamer.errors import (
    CODES,
    BudgetSpent,
    InternalError,
    InvalidParameter,
    OriginNotAllowed,
    RateLimited,
    StreamerError,
    Unauthenticated,
)
from streamer.protocols.openai import decode_error, encode_error


def test_an_error_has_the_four_fields_of_openai() -> None:
    status, body, headers = encode_error(InvalidParameter("too fast", param="speed"), "r-1")

    assert status == 400
    assert json.loads(body) == {
        "error": {
            "message": "too fast",
            "type": "invalid_request_error",
            "param": "speed",
            "code": "invalid_parameter",
        }
    }
    assert headers["x-request-id"] == "r-1"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Unauthenticated("x"), "authentication_error"),
        (OriginNotAllowed("x"), "permission_error"),
        (RateLimited("x"), "rate_limit_error"),
        (BudgetSpent("x"), "insufficient_quota"),
        (InternalError("x"), "server_error"),
    ],
)
def test_the_type_says_whose_fault_it_is(error: StreamerError, kind: str) -> None:
    assert json.loads(encode_error(error)[1])["error"]["type"] == kind


def test_parameters_have_openais_names() -> None:
    for ours, theirs in [("text", "input"), ("audio.codec", "response_format"), ("voice", "voice")]:
        _, body, _ = encode_error(InvalidParameter("x", param=ours))
        assert json.loads(body)["error"]["param"] == theirs


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_is_read_back(code: str) -> None:
    error = CODES[code]("said", param="voice")
    status, body, _ = encode_error(error)

    assert decode_error(status, body) == error


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (
            401,
            b'{"error":{"message":"bad key","type":"x","param":null,"code":"invalid_api_key"}}',
            "unauthenticated",
            "bad key",
        ),
        (429, b'{"error":{"message":"slow","code":null}}', "rate_limited", "slow"),
        (500, b"<html>", "internal_error", "HTTP 500"),
        (400, b'{"error":"flat"}', "invalid_parameter", "HTTP 400"),
        (404, b'{"detail":"Not Found"}', "not_found", "HTTP 404"),
    ],
)
def test_an_answer_that_is_not_ours_is_read_by_its_status(
    status: int, body: bytes, code: str, message: str
) -> None:
    error = decode_error(status, body)

    assert (error.code, error.message) == (code, message)
