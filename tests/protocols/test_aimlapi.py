import contextlib
import dataclasses
import json
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import (
    CODES,
    BudgetSpent,
    EngineFailed,
    InvalidMessage,
    InvalidParameter,
    LanguageNotSupported,
    RateLimited,
    RequestError,
    StreamerError,
    Unauthenticated,
)
from streamer.protocols.aimlapi import (
    MODEL,
    VOICES,
    Client,
    Request,
    decode_request,
    encode_answer,
    encode_error,
)
from streamer.protocols.hosted import Sound, Utterance
from streamer.resources import Job, JobRequest, JobResult, StoredFile
from streamer.types import AudioFormat, OptionsUpdate, Start
from tests.protocols.conversations import Line, body_of, fits, note, pairs

CALL = Client().create(Utterance("Hi.", "Cherry"), MODEL)
FILE = StoredFile("file_1", "k", "result", "audio/wav", 92044, 5.0, 86405.0, duration_ms=1917.0)

texts = st.text(min_size=1, max_size=600).filter(lambda text: bool(text.strip()))
voices = st.sampled_from(VOICES)


def job_of(request: JobRequest) -> Job:
    result = JobResult(0, 1, FILE, 24000, 1917.0)
    length = len(request.text)  # of a job that has ended only that is left
    job = Job("job_1", "k", "completed", replace(request, text=""), 1.5, text_characters=length)
    return replace(job, results=(result,), engine="hibari")


def answered(request: JobRequest, url: str = "http://here/v1/files/file_1") -> bytes:
    return encode_answer(
        job_of(request), lambda file: url, sha256="ab" * 32, version="1.0", request_id="r-1"
    )


@given(texts, voices)
def test_the_server_understands_what_the_client_asks(text: str, voice: str) -> None:
    call = Client().create(Utterance(text, voice), MODEL)

    assert decode_request(call.body) == JobRequest(
        Start(
            "job",
            OptionsUpdate(voice=voice),
            AudioFormat("pcm_s16le", "wav", 24000),
            timestamps="none",
        ),
        text,
    )


@given(texts, voices, st.text(min_size=1))
def test_the_client_understands_the_answer(text: str, voice: str, url: str) -> None:
    call = Client().create(Utterance(text, voice), MODEL)

    body = answered(decode_request(call.body), url)

    assert Client().read(call, 201, {}, body) == Sound(url=url)


@given(st.sampled_from(sorted(CODES)), st.text(max_size=40))
def test_an_error_of_the_server_fails_the_clients_engine(code: str, message: str) -> None:
    status, body, headers = encode_error(CODES[code](message, param="text"), "r-1")

    assert json.loads(body)["code"] == code
    with pytest.raises(EngineFailed):
        Client().read(CALL, status, headers, body)


@pytest.mark.parametrize("pair", pairs("aimlapi", client=False), ids=note)
def test_the_server_replays_the_transcript(pair: tuple[Line, Line]) -> None:
    asked, told = pair
    try:
        status, body = 201, answered(decode_request(body_of(asked)))
    except RequestError as error:
        status, body, headers = encode_error(error, "r-1")
        assert headers["content-type"] == "application/json"
        assert json.loads(body)["message"].startswith("Body validation error! ")
    assert status == told["status"]
    assert fits(json.loads(body), told["body"])


@pytest.mark.parametrize("pair", pairs("aimlapi", client=True), ids=note)
def test_the_client_replays_the_transcript(pair: tuple[Line, Line]) -> None:
    asked, told = pair
    call = Client().create(Utterance(**asked["utterance"]), MODEL)
    assert (call.method, call.path) == (asked["method"], asked["path"])
    assert json.loads(call.body) == asked["body"]
    answer = (call, told["status"], told["headers"], body_of(told))
    if "fails" not in told:
        assert Client().read(*answer) == Sound(**told["sound"])
        return
    with pytest.raises(EngineFailed) as caught:
        Client().read(*answer)
    assert caught.value.retryable is told["fails"]["retryable"]
    assert caught.value.details.get("retry_after_s") == told["fails"].get("retry_after_s")


def test_the_answer_is_that_of_the_example_with_the_metadata_of_the_schema() -> None:
    request = decode_request(Client().create(Utterance("Hi.", "Cherry"), MODEL).body)

    assert json.loads(answered(request)) == {
        "audio": {"url": "http://here/v1/files/file_1"},
        "usage": {"characters": 3},
        "metadata": {
            "transaction_key": "job_1",
            "request_id": "r-1",
            "sha256": "ab" * 32,
            "created": "1970-01-01T00:00:01.500Z",
            "duration": 1.917,
            "channels": 1,
            "models": [MODEL],
            "model_info": {MODEL: {"name": "hibari", "version": "1.0", "arch": "hibari"}},
        },
    }


def test_characters_are_code_points() -> None:
    request = decode_request(Client().create(Utterance("Zoë 😀", "Li"), MODEL).body)

    assert json.loads(answered(request))["usage"]["characters"] == 5


def test_the_17_voices_are_those_of_the_request() -> None:
    assert len(VOICES) == 17
    assert get_args(get_type_hints(Request)["voice"]) == VOICES


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unauthenticated("no"), 401),
        (BudgetSpent("no"), 403),
        (RateLimited("no", retry_after_s=2), 429),
        (LanguageNotSupported("no", param="text"), 400),
        (InvalidMessage("no"), 400),
        (EngineFailed("no"), 502),
    ],
)
def test_statuses_are_those_of_the_providers_list(error: StreamerError, status: int) -> None:
    found, body, headers = encode_error(error, "r-1")

    assert (found, json.loads(body)["statusCode"]) == (status, status)
    assert json.loads(body)["requestId"] == headers["x-request-id"] == "r-1"
    assert headers.get("retry-after") == ("2" if status == 429 else None)


def test_a_nested_field_is_named_by_its_path() -> None:
    _, body, _ = encode_error(InvalidParameter("no", param="audio.sample_rate"))

    assert json.loads(body)["errors"][0]["path"] == ["audio", "sample_rate"]


@given(st.binary(max_size=200), st.sampled_from([200, 201, 302, 400, 500]))
def test_any_answer_is_sound_or_a_typed_error(body: bytes, status: int) -> None:
    with contextlib.suppress(EngineFailed):
        assert isinstance(Client().read(CALL, status, {}, body), Sound)


def test_only_text_and_voice_have_a_word() -> None:
    loud = dataclasses.replace(Utterance("Hi.", "Cherry"), volume=2.0, speed=2.0)

    assert Client().create(loud, MODEL) == CALL


def test_a_server_without_keys_gets_none() -> None:
    assert Client().authorize("k") == {"authorization": "Bearer k"}
    assert Client().authorize("") == {}
