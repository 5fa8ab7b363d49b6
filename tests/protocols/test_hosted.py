"""The shared half of hosted voices: names of languages, errors, when to come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed
from streamer.protocols.hosted import (
    LANGUAGES,
    Call,
    failure,
    language_name,
    language_tag,
    message_in,
    retry_after,
    sound_type,
)
from streamer.protocols.native.errors import error_fields, error_of


def test_a_language_is_one_by_name_and_by_tag() -> None:
    for name, tag in LANGUAGES.items():
        assert language_tag(name) == tag
        assert language_tag(name.upper()) == tag
        assert language_name(tag) == name
    assert language_name("zh-Hant-TW") == "Chinese"
    assert language_name("EN-us") == "English"
    assert language_name("sw") is None
    assert language_tag("en") is None


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, False) for status in (400, 401, 402, 403, 404, 405, 410, 413, 422)),
        *((status, True) for status in (408, 409, 425, 429, 455, 500, 502, 503, 504, 529)),
    ],
)
def test_the_status_says_whether_it_is_worth_another_try(status: int, retryable: bool) -> None:
    error = failure(status, {})
    assert isinstance(error, EngineFailed)
    assert error.retryable is retryable
    assert failure(status, {}, retryable=not retryable).retryable is not retryable


def test_nobody_is_told_of_a_key_that_is_not_theirs() -> None:
    said = "Incorrect API key provided: sk-secret"
    for status in (401, 403):
        error = failure(status, {}, said)
        assert error.status == 502
        assert error.code == "engine_failed"
        assert "sk-secret" not in error.message


def test_the_providers_words_are_quoted_in_part_and_without_links() -> None:
    error = failure(400, {}, "no\n such\x00 voice https://x.example/a?sig=1 " + "x" * 5000)
    assert error.message.startswith("the provider refused the request: no such voice … xxx")
    assert "\n" not in error.message
    assert len(error.message) < 260


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT",
                "date": "Wed, 21 Oct 2015 07:28:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30", "date": "Wed, 21 Oct 2015 07:28 GMT"}, None),
    ],
)
def test_when_to_come_back_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
    found = failure(429, headers).details
    assert found == ({} if seconds is None else {"retry_after_s": seconds})


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_date_is_read_or_left(value: str, date: str) -> None:
    retry_after({"retry-after": value, "date": date})


def test_whether_it_is_worth_another_try_survives_the_wire() -> None:
    for status in (402, 503):
        error = failure(status, {})
        assert error_of(error_fields(error)) == error
        assert error_of(error_fields(error)).retryable is error.retryable


@pytest.mark.parametrize(
    ("status", "content_type", "expected"),
    [
        (200, "audio/mpeg", "audio/mpeg"),
        (206, "Audio/PCM; rate=24000", "Audio/PCM; rate=24000"),
        (200, "application/ogg", "application/ogg"),
        (200, "application/octet-stream", ""),
        (200, "application/json", None),
        (200, "text/html", None),
        (200, "", None),
        (500, "audio/mpeg", None),
    ],
)
def test_sound_is_known_by_its_content_type(
    status: int, content_type: str, expected: str | None
) -> None:
    assert sound_type(status, {"content-type": content_type}) == expected


def test_a_call_has_no_key_in_it() -> None:
    assert Call("GET", "/v1").headers == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no voice", "code": 5}}', "no voice"),
        (b'{"code": 422, "message": "no text", "data": null}', "no text"),
        (b'{"errors": [{"code": "x", "message": "no task"}]}', "no task"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b'{"error": "no"}', "no"),
        (b'["a", "b"]', "a"),
        (b"<html>", ""),
        (b'{"error": {"error": {"error": {"error": "deep"}}}}', ""),
        (b"[]", ""),
        (b"5", ""),
        (b"[" * 100000, ""),
        (b'"\xff"', ""),
    ],
)
def test_an_errors_words_are_found_in_the_usual_forms(body: bytes, said: str) -> None:
    assert message_in(body) == said
