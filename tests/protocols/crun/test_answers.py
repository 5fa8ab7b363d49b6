"""What crun tells of tasks and errors, and that our client reads it so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import CODES, EngineFailed, from_code
from streamer.protocols.crun import (
    Client,
    Task,
    code_of,
    encode_accepted,
    encode_balance,
    encode_callbacks,
    encode_error,
    encode_info,
    info_of,
    job_of,
)
from streamer.protocols.hosted import Again, Call, Sound
from streamer.resources import Job, JobResult, StoredFile

FILE = StoredFile("file_1", "", "result", "audio/wav", 9, 0.0, 1.0)
RESULT = JobResult(0, 1, FILE, 24000, 4000.0)
POLL = Call("GET", "/api/v1/client/job/TaskInfo?task_id=task_1", task="task_1")
DOCUMENTED = {200, 401, 402, 404, 422, 429, 455, 500, 501, 505}

jobs = st.builds(
    Job,
    st.just("job_1"),
    st.just(""),
    st.sampled_from(["queued", "running", "completed", "failed", "cancelled"]),
    st.builds(lambda text: job_of(Task(text), "task_1"), st.text(min_size=1)),
    st.floats(0, 4e9),
)


def link(file: StoredFile) -> str:
    return f"https://files.example/{file.id}"


def ended(job: Job, error: str, took: float) -> Job:
    """The job with what its status says it has."""
    if job.status in ("queued", "running"):
        return job
    results = (RESULT,) if job.status == "completed" else ()
    failure = from_code(error, "why") if job.status == "failed" else None
    return replace(job, finished=job.created + took, results=results, error=failure)


@given(jobs, st.sampled_from(sorted(CODES)), st.floats(0, 1e6))
def test_a_task_is_read_as_it_is_told(job: Job, error: str, took: float) -> None:
    job = ended(job, error, took)
    body = encode_info(info_of(job, link))
    told = json.loads(body)["data"]
    assert set(told) == {
        *("task_id", "provider", "model_version", "status", "param", "create_at", "result"),
        *("duration_s", "complete_at", "source"),
    }
    assert json.loads(json.dumps(encode_callbacks(job, link))) == [told]
    assert told["param"]["input"]["text"] == job.request.text
    match job.status:
        case "completed":
            assert told["status"] == "success"
            assert Client().read(POLL, 200, {}, body) == Sound(url=link(FILE))
        case "failed" | "cancelled":
            assert told["status"] == "failed"
            with pytest.raises(EngineFailed):
                Client().read(POLL, 200, {}, body)
        case _:
            assert told["status"] == "running"
            assert Client().read(POLL, 200, {}, body) == Again(POLL)


@given(
    st.sampled_from(sorted(CODES)),
    st.text(max_size=50),
    st.none() | st.sampled_from(["text", "voice", "webhook.url", "input.x", "q"]),
    st.none() | st.floats(0, 1e6),
)
def test_an_error_is_read_as_it_is_told(
    code: str, message: str, param: str | None, wait_s: float | None
) -> None:
    details = {} if wait_s is None else {"retry_after_s": wait_s}
    error = from_code(code, message, param=param, **details)
    status, body, headers = encode_error(error, "request-1")
    told = json.loads(body)
    assert (told["code"], told["data"], set(told)) == (status, None, {"code", "message", "data"})
    assert status in DOCUMENTED
    assert message in told["message"]
    for call in (POLL, Call("POST", "/")):
        with pytest.raises(EngineFailed) as caught:
            Client().read(call, status, headers, body)
        assert caught.value.retryable is (status in (429, 455) or status >= 500)
        if wait_s is not None:
            assert caught.value.details["retry_after_s"] >= wait_s


def test_whose_fault_it_is_decides_the_code() -> None:
    assert {code: code_of(error("why")) for code, error in CODES.items()} == {
        **dict.fromkeys(CODES, 422),
        **dict.fromkeys(
            (
                "unauthenticated",
                "key_revoked",
                "token_expired",
                "scope_missing",
                "origin_not_allowed",
            ),
            401,
        ),
        "budget_spent": 402,
        **dict.fromkeys(("not_found", "gone", "method_not_allowed"), 404),
        **dict.fromkeys(
            (
                "rate_limited",
                "context_limit",
                "connection_limit",
                "channel_limit",
                "job_limit",
                "file_quota",
                "voice_limit",
            ),
            429,
        ),
        **dict.fromkeys(("draining", "storage_unavailable", "storage_full"), 455),
        "internal_error": 500,
        "engine_failed": 501,
        "not_available": 505,
    }


@pytest.mark.parametrize(
    ("param", "shown"),
    [("text", "input.text: why"), ("input.speed", "input.speed: why"), (None, "why")],
)
def test_a_message_names_the_field_at_fault(param: str | None, shown: str) -> None:
    _, body, _ = encode_error(from_code("invalid_parameter", "why", param=param))
    assert json.loads(body)["message"] == shown


def test_a_new_task_is_asked_for_by_its_id() -> None:
    step = Client().read(Call("POST", "/"), 200, {}, encode_accepted("task_1"))
    assert step == Again(POLL)


def test_a_balance_may_have_no_bound() -> None:
    assert json.loads(encode_balance(None))["data"] == {"balance": None}
    assert json.loads(encode_balance(1 / 3))["data"] == {"balance": 0.333333333}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'{"code":200}', b'{"code":"200","data":{}}', b"\xff", b"[" * 5000),
        b'{"code":200,"data":{"task_id":7}}',
        b'{"code":200,"data":{"task_id":"../../etc","status":"success"}}',
        b'{"code":200,"data":{"task_id":"a","status":"success","result":{"media_urls":[]}}}',
        b'{"code":200,"data":{"task_id":"a","status":"success","result":{"media_urls":[7]}}}',
        b'{"code":200,"data":{"task_id":"a","status":"success","result":"here"}}',
        b'{"code":200,"data":{"task_id":"a","status":"failed","result":"no luck"}}',
        b'{"code":200,"data":{"task_id":"a","status":"failed","result":{"code":"x"}}}',
    ],
)
def test_what_is_no_answer_of_crun_is_a_failure(body: bytes) -> None:
    if b"success" in body or b"failed" in body:
        with pytest.raises(EngineFailed):
            Client().read(POLL, 200, {}, body)
    else:
        with pytest.raises(EngineFailed) as caught:
            Client().read(Call("POST", "/"), 200, {}, body)
        assert caught.value.retryable


@pytest.mark.parametrize(
    ("status", "body", "retryable"),
    [
        (200, {"code": 429, "message": "slow"}, True),
        (200, {"code": 401, "message": "no"}, False),
        (502, {"code": 200, "message": "success", "data": {}}, True),
        (404, {"nothing": 1}, False),
    ],
)
def test_an_error_in_http_or_in_the_body_is_one(status: int, body: Any, retryable: bool) -> None:
    with pytest.raises(EngineFailed) as caught:
        Client().read(POLL, status, {}, json.dumps(body).encode())
    assert caught.value.retryable is retryable


def test_the_key_has_a_header_of_its_own() -> None:
    assert Client().authorize("k") == {"x-api-key": "k"}
    assert Client().authorize("") == {}
    assert Client().streams(POLL, 200, {"content-type": "application/json"}) is None
