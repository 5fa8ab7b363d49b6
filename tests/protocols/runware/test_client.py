"""Our client against answers of Runware, of its document and worse; and against our own."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import CODES, EngineFailed, InvalidParameter, StreamerError, from_code
from streamer.protocols.hosted import Again, Call, HostedClient, Sound, Step, Utterance
from streamer.protocols.runware import Client, encode_error
from streamer.protocols.runware.answers import acknowledged, envelope, processing, result_item
from streamer.protocols.runware.errors import error_item
from streamer.protocols.runware.requests import job_request
from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE, VOICE_DESIGN
from streamer.protocols.runware.tasks import Inference, decode_inference
from streamer.resources import Job, JobResult, StoredFile
from tests.protocols.runware.strategies import inferences

ID = "58703dfd-8d1b-46f2-8efd-8ef2a9f23fdd"
CLIENT: HostedClient = Client()
CREATE = CLIENT.create(Utterance("Hi.", "Serena", ID, language="en-GB", speed=1.5), CUSTOM_VOICE)


def read(fields: Any, call: Call = CREATE, status: int = 200) -> Step:
    return CLIENT.read(call, status, {}, json.dumps(fields).encode())


def task_of(call: Call) -> Inference:
    (fields,) = json.loads(call.body)
    return decode_inference(json.dumps(fields))


def test_a_request_is_the_documents() -> None:
    assert (CREATE.method, CREATE.path, CREATE.task) == ("POST", "/v1", ID)
    assert json.loads(CREATE.body) == [
        {
            "taskType": "audioInference",
            "taskUUID": ID,
            "model": CUSTOM_VOICE,
            "outputFormat": "WAV",
            "speech": {"text": "Hi.", "voice": "Serena", "language": "English", "speed": 1.5},
        }
    ]
    assert CLIENT.authorize("k") == {"authorization": "Bearer k"}
    assert CLIENT.authorize("") == {}


def test_a_language_it_has_no_name_for_is_left_to_it() -> None:
    call = CLIENT.create(Utterance("Hej.", "Serena", ID, language="sv"), CUSTOM_VOICE)
    assert task_of(call).language == "auto"


def test_instructions_are_the_prompt() -> None:
    call = CLIENT.create(Utterance("Hi.", "Serena", ID, instructions="Softly."), CUSTOM_VOICE)
    assert task_of(call).prompt == "Softly."


def test_the_base_models_voice_is_a_recording() -> None:
    call = CLIENT.create(Utterance("Hi.", "https://a.example/b.mp3", ID), BASE)
    task = task_of(call)
    assert (task.voice, task.reference) == ("clone", "https://a.example/b.mp3")
    assert task.x_vector_only
    with pytest.raises(InvalidParameter):
        CLIENT.create(Utterance("Hi.", "Serena", ID), BASE)


def test_a_designed_voice_is_its_description() -> None:
    assert task_of(CLIENT.create(Utterance("Hi.", "An old man.", ID), VOICE_DESIGN)).prompt == (
        "An old man."
    )


def test_the_documents_answer_is_where_the_sound_is() -> None:
    url = "https://am.runware.ai/audio/os/a21d05/ws/5/ai/35e2a7b7-1825-4cb4-9d75-4ed8281d6cd4.wav"
    answer = {
        "taskType": "audioInference",
        "taskUUID": ID,
        "audioUUID": "35e2a7b7-1825-4cb4-9d75-4ed8281d6cd4",
        "audioURL": url,
        "cost": 0.0008,
    }
    assert read({"data": [answer]}) == Sound(url=url, content_type="audio/wav")


def test_sound_may_be_in_the_answer() -> None:
    text = base64.b64encode(b"RIFF").decode()
    assert read({"data": [{"taskUUID": ID, "audioBase64Data": text}]}) == Sound(
        data=b"RIFF", content_type="audio/wav"
    )
    assert read({"data": [{"taskUUID": ID, "audioDataURI": f"data:audio/mpeg;base64,{text}"}]}) == (
        Sound(data=b"RIFF", content_type="audio/mpeg")
    )


@pytest.mark.parametrize(
    "item",
    [{}, {"status": "processing"}, {"status": "pending"}, {"status": "processing", "progress": 40}],
)
def test_a_task_that_is_not_done_is_asked_after(item: dict[str, Any]) -> None:
    step = read({"data": [{"taskType": "audioInference", "taskUUID": ID, **item}]})
    assert isinstance(step, Again)
    assert json.loads(step.call.body) == [{"taskType": "getResponse", "taskUUID": ID}]
    assert step.call.task == ID


def test_a_task_that_was_taken_before_is_asked_after() -> None:
    error = {"code": "conflictTaskUUID", "message": "used", "taskUUID": ID}
    assert isinstance(read({"data": [], "errors": [error]}, status=400), Again)


@pytest.mark.parametrize(
    ("code", "status", "retryable"),
    [
        ("invalidApiKey", 401, False),
        ("insufficientCredits", 400, False),
        ("rateLimitExceeded", 429, True),
        ("timeoutProvider", 400, True),
        ("providerError", 400, True),
        ("providerContentPolicyViolation", 400, False),
        ("internalServerError", 500, True),
        ("invalidSpeechVoice", 400, False),
        ("nobodyKnows", 400, False),
        ("nobodyKnows", 500, True),
        ("inferenceError", 200, True),
    ],
)
def test_errors_are_typed_by_their_codes(code: str, status: int, retryable: bool) -> None:
    error = {"code": code, "message": "no", "parameter": "p", "taskUUID": ID}
    with pytest.raises(EngineFailed) as caught:
        read({"errors": [error]}, status=status)
    assert caught.value.retryable is retryable


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"data": 1}', b'{"data": [1, null]}', b'{"errors": "x"}'],
)
def test_what_cannot_be_read_is_a_typed_error(body: bytes, status: int) -> None:
    with pytest.raises(EngineFailed):
        CLIENT.read(CREATE, status, {}, body)


@given(st.binary(max_size=60), st.integers(100, 599))
def test_no_answer_is_a_fault(body: bytes, status: int) -> None:
    with suppress(EngineFailed):
        CLIENT.read(CREATE, status, {}, body)


# Our own server's answers


def job_of(task: Inference, status: Any = "completed") -> Job:
    file = StoredFile("file_" + "0a" * 12, "", "result", "audio/wav", 9, 0.0, 1.0)
    result = JobResult(0, 7, file, 24000, 100.0)
    return Job("job_1", "", status, job_request(task), 0.0, results=(result,), cost=0.25)


@given(inferences(), st.binary(max_size=30))
def test_the_client_reads_what_the_server_tells(task: Inference, data: bytes) -> None:
    client = Client(output_format=task.output_format)
    call = Call("POST", "/v1", task=task.id)
    job = job_of(task)
    inline = data if task.output_type != "URL" else None
    item = result_item(
        task, job, job.results[0], link=lambda file: f"http://h/{file.id}", data=inline
    )
    step = client.read(call, 200, {}, envelope([item]))
    assert isinstance(step, Sound)
    assert (step.data, step.url) == (
        (None, f"http://h/{job.results[0].file.id}") if inline is None else (data, None)
    )
    assert ("cost" in item) is task.include_cost
    for waiting in (acknowledged(task.id), processing(job_of(task, "running"), task.id)):
        assert isinstance(client.read(call, 200, {}, envelope([waiting])), Again)


@given(
    st.sampled_from(sorted(CODES)).map(lambda code: from_code(code, "no", param="text")),
    st.booleans(),
)
def test_the_client_tells_our_errors_apart(error: StreamerError, alone: bool) -> None:
    status, body, headers = encode_error(error)
    if not alone:
        status, body = 200, envelope([], [error_item(error, "audioInference", ID)])
    if error.code in ("context_conflict", "idempotency_conflict"):  # taken: its answer is awaited
        assert isinstance(CLIENT.read(CREATE, status, headers, body), Again)
        return
    with pytest.raises(EngineFailed) as caught:
        CLIENT.read(CREATE, status, headers, body)
    if error.code not in ("not_ready", "context_lost"):  # which no task is answered with
        assert caught.value.retryable is error.retryable


def test_a_wait_that_is_asked_for_is_heard() -> None:
    status, body, headers = encode_error(from_code("rate_limited", "no", retry_after_s=2.5))
    with pytest.raises(EngineFailed) as caught:
        CLIENT.read(CREATE, status, headers, body)
    assert caught.value.details["retry_after_s"] == 3
