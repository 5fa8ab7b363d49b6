"""Our client against answers of Evolink, of the documents and worse."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed
from streamer.protocols.evolink import Client
from streamer.protocols.hosted import Again, Call, HostedClient, Sound, Step, Utterance

CLIENT: HostedClient = Client()
CREATE = CLIENT.create(Utterance("Hi.", "v", language="en-GB"), "qwen3-tts-vd")


def read(fields: Any, call: Call = CREATE, status: int = 200) -> Step:
    return CLIENT.read(call, status, {}, json.dumps(fields).encode())


def test_a_request_is_the_documents() -> None:
    assert json.loads(CREATE.body) == {
        "model": "qwen3-tts-vd",
        "prompt": "Hi.",
        "voice": "v",
        "language_type": "English",
    }
    assert CREATE.headers == {"content-type": "application/json"}
    assert CLIENT.authorize("k") == {"authorization": "Bearer k"}
    assert CLIENT.authorize("") == {}


def test_the_documents_answer_is_asked_after() -> None:
    answer = {
        "created": 1775122733,
        "id": "task-unified-1775122733-lozyt2i5",
        "model": "qwen3-tts-vd",
        "object": "audio.generation.task",
        "progress": 0,
        "status": "pending",
        "task_info": {"can_cancel": True, "estimated_time": 10, "audio_type": "tts"},
        "type": "audio",
        "usage": {"credits_reserved": 0.32},
    }
    id = answer["id"]
    assert read(answer) == Again(Call("GET", f"/v1/tasks/{id}", task=str(id)))


def test_a_poll_whose_answer_has_no_id_goes_on_with_its_own() -> None:
    asked = Call("GET", "/v1/tasks/t-1", task="t-1")
    assert read({"status": "processing"}, asked) == Again(asked)


def test_a_task_that_is_known_can_be_ended() -> None:
    asked = read({"status": "pending", "id": "t-1"})
    assert isinstance(asked, Again)
    assert CLIENT.cancel(asked.call) == Call("POST", "/v1/tasks/t-1/cancel", task="t-1")
    assert CLIENT.cancel(CREATE) is None


def test_the_sound_is_the_first_result() -> None:
    fields = {"status": "completed", "results": ["https://cdn.example/a", "https://cdn.example/b"]}
    assert read(fields) == Sound(url="https://cdn.example/a")


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        ("content_policy_violation", False),
        ("invalid_parameters", False),
        ("request_cancelled", False),
        ("generation_failed_no_content", True),
        ("service_error", True),
        ("generation_timeout", True),
        ("resource_exhausted", True),
        ("quota_exceeded", True),
        ("service_unavailable", True),
        ("resource_not_found", True),
        ("unknown_error", True),
        ("something_new", True),
    ],
)
def test_a_failure_says_whether_it_is_worth_another_try(code: str, retryable: bool) -> None:
    with pytest.raises(EngineFailed) as caught:
        read({"status": "failed", "error": {"code": code, "message": "because"}})

    assert caught.value.retryable is retryable


def test_a_failure_without_a_reason_is_one() -> None:
    for fields in ({"status": "failed"}, {"status": "failed", "error": None}):
        with pytest.raises(EngineFailed):
            read(fields)
    with pytest.raises(EngineFailed) as caught:
        read({"status": "cancelled"})
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"status": 3},
        {"status": "napping", "id": "t-1"},
        {"status": "pending"},
        {"status": "pending", "id": "../../admin"},
        {"status": "pending", "id": "a?b=c"},
        {"status": "pending", "id": ""},
        {"status": "completed"},
        {"status": "completed", "results": []},
        {"status": "completed", "results": [""]},
        {"status": "completed", "results": [7]},
        {"status": "completed", "results": "https://cdn.example/a"},
    ],
)
def test_what_is_not_as_documented_is_a_typed_error(fields: Any) -> None:
    with pytest.raises(EngineFailed) as caught:
        read(fields)

    assert caught.value.retryable


@given(st.integers(100, 599), st.binary(max_size=100))
def test_any_answer_is_read_or_a_typed_error(status: int, body: bytes) -> None:
    with suppress(EngineFailed):
        CLIENT.read(CREATE, status, {}, body)


def test_sound_that_comes_at_once_is_taken() -> None:
    assert CLIENT.streams(CREATE, 200, {"content-type": "audio/wav"}) == "audio/wav"
    assert CLIENT.streams(CREATE, 200, {"content-type": "application/json"}) is None
