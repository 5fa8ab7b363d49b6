"""A job as Evolink's task, and what our client makes of each state of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import (
    CODES,
    EngineFailed,
    FileQuota,
    InternalError,
    LanguageNotSupported,
    NotAvailable,
    NotFound,
    RateLimited,
    RequestError,
    ServerError,
    StorageFull,
    StreamerError,
    from_code,
)
from streamer.protocols.evolink import (
    Client,
    Design,
    Speech,
    design_job,
    encode_callbacks,
    encode_state,
    is_task_id,
    speech_job,
    task_id,
)
from streamer.protocols.hosted import Again, Call, Sound
from streamer.resources import Job, JobResult, StoredFile, WebhookTarget
from streamer.types import AudioFormat, OptionsUpdate, Start

ID = "task-unified-1775122733-lozyt2i5"
ASKED = Call("GET", f"/v1/tasks/{ID}", task=ID)
SPEECH = Speech(
    "Good evening, listeners. Welcome to the evening news broadcast.",
    "qwen-tts-vd-announcer-voice-20260402-a1b2",
)
FILE = StoredFile("file_1", "", "result", "audio/wav", 9, 0.0, 1.0)
RESULT = JobResult(0, 1, FILE, 24000, 4000.0)


def link(file: StoredFile) -> str:
    return f"https://here.example/{file.id}"


def job(**changes: Any) -> Job:
    request = speech_job(SPEECH, id=ID)
    return replace(Job("job_1", "", "queued", request, 1775122733.9, reserved=0.32), **changes)


def told(some: Job) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(encode_state(some, link))
    assert encode_callbacks(some, link) == [fields], "a callback says the same"
    return fields


def test_a_task_is_answered_as_the_document_shows() -> None:
    assert told(job()) == {
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


def test_a_task_runs() -> None:
    task = told(job(status="running", progress=0.999, estimate_s=2.1))

    assert (task["status"], task["progress"]) == ("processing", 99)
    assert task["task_info"] == {"can_cancel": True, "estimated_time": 3, "audio_type": "tts"}
    assert "results" not in task
    assert "error" not in task


def test_a_completed_task_has_its_result_and_its_real_cost() -> None:
    task = told(job(status="completed", progress=1.0, results=(RESULT,), cost=0.25))

    assert (task["status"], task["progress"]) == ("completed", 100)
    assert task["results"] == ["https://here.example/file_1"]
    assert task["usage"] == {"credits_reserved": 0.25}
    assert task["task_info"] == {"can_cancel": False, "estimated_time": 0, "audio_type": "tts"}
    assert told(job(status="completed", results=(RESULT,)))["usage"] == {"credits_reserved": 0}


def test_a_cancelled_task_has_failed_and_costs_nothing() -> None:
    task = told(job(status="cancelled", progress=0.4))

    assert (task["status"], task["progress"]) == ("failed", 0)
    assert task["error"]["code"] == "request_cancelled"
    assert task["usage"] == {"credits_reserved": 0}
    assert task["task_info"]["can_cancel"] is False


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineFailed("x"), "service_error"),
        (LanguageNotSupported("x", param="text"), "invalid_parameters"),
        (FileQuota("x"), "quota_exceeded"),
        (RateLimited("x"), "resource_exhausted"),
        (StorageFull("x"), "service_unavailable"),
        (InternalError("x"), "unknown_error"),
        (None, "unknown_error"),
    ],
)
def test_a_failed_task_says_why_in_the_documented_codes(
    error: StreamerError | None, code: str
) -> None:
    task = told(job(status="failed", error=error))

    assert task["status"] == "failed"
    assert task["error"] == {"code": code, "message": "x" if error else ""}


def test_a_job_of_speech_is_kept_for_this_dialect() -> None:
    url = "https://hooks.example/"
    request = speech_job(replace(SPEECH, language="en", callback_url=url), id=ID)

    assert (request.dialect, request.alias, request.text) == ("evolink", ID, SPEECH.text)
    assert request.webhook == WebhookTarget(url, policy="evolink")
    options = OptionsUpdate(voice=SPEECH.voice, language="en")
    assert request.start == Start(
        "job", options, AudioFormat("pcm_s16le", "wav", 24000), timestamps="none"
    )


def test_a_stand_in_speaks_the_preview_of_a_designed_voice() -> None:
    design = Design("Calm.", "Hello.", audio=AudioFormat("mp3", "mp3", 16000))
    name = "qwen-tts-vd-custom-voice-20260402-a1b2"
    request = design_job(design, "heart", name, id=ID, warnings=("stand_in",))
    waits = job(request=request)
    done = job(request=request, status="completed", results=(RESULT,), cost=0.1)

    assert (request.text, request.start.audio) == ("Hello.", design.audio)
    assert request.start.options == OptionsUpdate(voice="heart", language="auto")
    assert request.warnings == ("stand_in",)
    assert told(waits)["model"] == "qwen-voice-design"
    assert "result_data" not in told(waits)
    assert told(done)["result_data"] == {"voice": name}
    assert told(done)["results"] == ["https://here.example/file_1"]


def test_ids_are_of_the_documented_form() -> None:
    assert task_id(1775122733.99, "lozyt2i5") == ID
    assert is_task_id(ID)
    for id in ("job_1", ID + "\n", ID[:-1], "task-unified--lozyt2i5", ID.upper()):
        assert not is_task_id(id)


# Our client reads what our server says.


@given(st.floats(0, 1), st.none() | st.floats(0, 1e6), st.sampled_from(["queued", "running"]))
def test_a_task_that_has_not_ended_is_asked_for_again(
    progress: float, estimate_s: float | None, status: Any
) -> None:
    some = job(status=status, progress=progress, estimate_s=estimate_s)
    fields = told(some)

    assert 0 <= fields["progress"] < 100
    assert Client().read(ASKED, 200, {}, encode_state(some, link)) == Again(ASKED)


def test_a_completed_task_is_sound_at_its_first_result() -> None:
    done = encode_state(job(status="completed", results=(RESULT,)), link)

    assert Client().read(ASKED, 200, {}, done) == Sound(url="https://here.example/file_1")


@given(st.sampled_from(sorted(CODES)), st.text(max_size=600))
def test_a_failed_task_is_a_typed_error(code: str, message: str) -> None:
    error = from_code(code, message)
    body = encode_state(job(status="failed", error=error), link)

    with pytest.raises(EngineFailed) as caught:
        Client().read(ASKED, 200, {}, body)

    if isinstance(error, ServerError):
        assert caught.value.retryable
    if isinstance(error, RequestError) and not isinstance(error, NotFound | NotAvailable):
        assert not caught.value.retryable


def test_a_cancelled_task_is_not_tried_again() -> None:
    with pytest.raises(EngineFailed) as caught:
        Client().read(ASKED, 200, {}, encode_state(job(status="cancelled"), link))

    assert not caught.value.retryable
