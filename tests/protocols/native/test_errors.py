import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import (
    CODES,
    Draining,
    InternalError,
    InvalidParameter,
    NotFound,
    RateLimited,
    StreamerError,
    Unauthenticated,
)
from streamer.protocols.native.errors import (
    CLOSE_CODES,
    close_code,
    decode_error,
    encode_error,
    error_of_close,
)
from tests.protocols.strategies import errors


@given(errors, st.text(st.characters(codec="ascii"), max_size=20))
def test_an_http_answer_is_read_back(error: StreamerError, request_id: str) -> None:
    status, body, _ = encode_error(error, request_id)

    assert status == error.status
    assert decode_error(status, body) == error


def test_an_http_answer_says_everything_a_client_needs() -> None:
    error = RateLimited("slow down", param="text", retry_after_s=1.2, limit=60)
    status, body, headers = encode_error(error, "r-1")

    assert status == 429
    assert json.loads(body) == {
        "error": {
            "code": "rate_limited",
            "message": "slow down",
            "param": "text",
            "retryable": True,
            "retry_after_s": 1.2,
            "limit": 60,
            "request_id": "r-1",
        }
    }
    assert headers == {
        "content-type": "application/json",
        "x-request-id": "r-1",
        "retry-after": "2",
    }


def test_only_a_missing_key_is_challenged() -> None:
    assert encode_error(Unauthenticated("no key"))[2]["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in encode_error(CODES["key_revoked"]("no more"))[2]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"<html>nginx</html>", NotFound),
        (503, b"", Draining),
        (401, b'{"error":"no"}', Unauthenticated),
        (418, b'{"error":{"code":5}}', InvalidParameter),
        (500, b'{"error":{"code":null}}', InternalError),
        (502, b"[" * 100_000, InternalError),
        (502, b"\xff", InternalError),
    ],
)
def test_an_answer_that_is_not_ours_is_read_by_its_status(
    status: int, body: bytes, kind: type[StreamerError]
) -> None:
    assert type(decode_error(status, body)) is kind


def test_every_error_has_a_close_code_and_bad_input_is_never_1011() -> None:
    for kind in CODES.values():
        assert close_code(kind("x")) in {code for _, code in CLOSE_CODES}
        if 400 <= kind.status < 500:
            assert close_code(kind("x")) != 1011, kind


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (1008, "key_revoked", "key_revoked"),
        (4000, "invalid_message", "invalid_message"),
        (1001, "", "draining"),
        (1009, "frame exceeds limit", "message_limit"),
        (4001, "", "stalled_reader"),
        (4002, "", "idle_timeout"),
    ],
)
def test_a_close_without_error_is_still_typed(code: int, reason: str, expected: str) -> None:
    error = error_of_close(code, reason)

    assert error is not None
    assert error.code == expected


@pytest.mark.parametrize("code", [1000, 1006, 1011, 3000])
def test_a_close_that_says_nothing_means_nothing(code: int) -> None:
    assert error_of_close(code, "") is None
