"""What a client asks of Runware's API: both halves agree, and what is wrong is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import (
    InvalidMessage,
    InvalidParameter,
    StreamerError,
    UnknownParameter,
    UnknownVoice,
)
from streamer.protocols.runware import job_request
from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE, MAX_NEW_TOKENS, VOICE_DESIGN
from streamer.protocols.runware.tasks import (
    MOST_TASKS,
    Inference,
    Refusal,
    Task,
    decode_inference,
    decode_tasks,
    encode_inference,
    encode_tasks,
)
from tests.protocols.runware.strategies import inferences, tasks

ID = "58703dfd-8d1b-46f2-8efd-8ef2a9f23fdd"
CUSTOM: dict[str, Any] = {
    "taskType": "audioInference",
    "taskUUID": ID,
    "model": CUSTOM_VOICE,
    "speech": {"text": "Good evening.", "voice": "Serena"},
}
CLONE: dict[str, Any] = {
    "taskType": "audioInference",
    "taskUUID": ID,
    "model": BASE,
    "speech": {"text": "Good evening.", "voice": "clone", "language": "English", "speed": 0.93},
    "settings": {"maxNewTokens": 2048, "transcript": "Welcome.", "xVectorOnly": False},
    "inputs": {"audio": "https://assets.example.org/a.mp3"},
}
DESIGN: dict[str, Any] = {
    "taskType": "audioInference",
    "taskUUID": ID,
    "model": VOICE_DESIGN,
    "positivePrompt": "An old man.",
    "speech": {"text": "Good evening."},
}


def asked(fields: object) -> Task | Refusal:
    (task,) = decode_tasks(json.dumps([fields]))
    return task


def refused(fields: object) -> StreamerError:
    task = asked(fields)
    assert isinstance(task, Refusal)
    return task.error


@given(st.lists(tasks, min_size=1, max_size=5))
def test_the_server_reads_what_the_client_says(some: list[Task]) -> None:
    assert decode_tasks(encode_tasks(some)) == some


@given(inferences())
def test_a_job_remembers_its_task(task: Inference) -> None:
    assert decode_inference(job_request(task).echo) == task
    assert decode_inference(encode_inference(task)) == task


@given(inferences())
def test_a_job_is_asked_for_as_the_task_says(task: Inference) -> None:
    request = job_request(task, voice="alba", warnings=("stand_in",))
    assert request.text == task.text
    assert request.results == task.results
    assert request.alias == task.id
    assert request.urgent is (task.delivery == "sync")
    assert request.ttl_s == task.ttl_s
    assert request.start.audio == task.audio
    options = request.start.options
    assert options.speed == task.speed
    if task.model == CUSTOM_VOICE:
        assert options.voice == (None if task.voice == "auto" else task.voice)
        assert options.instructions == (task.prompt or None)
    else:
        assert (options.voice, options.instructions) == ("alba", None)


def test_the_documents_defaults() -> None:
    task = asked(CUSTOM)
    assert isinstance(task, Inference)
    assert (task.output_type, task.output_format) == ("URL", "MP3")
    assert (task.delivery, task.results, task.include_cost) == ("sync", 1, False)
    assert (task.language, task.speed) == ("auto", 1.0)
    assert task.max_new_tokens == MAX_NEW_TOKENS
    assert task.audio.channels == 2


def test_null_is_the_same_as_nothing() -> None:
    names = ("outputType", "outputFormat", "audioSettings", "ttl", "webhookURL", "positivePrompt")
    assert asked(CUSTOM | dict.fromkeys(names)) == asked(CUSTOM)


@pytest.mark.parametrize(
    ("base", "change", "param"),
    [
        (CUSTOM, {"ttl": 59}, "ttl"),
        (CUSTOM, {"ttl": 60, "outputType": "base64Data"}, "ttl"),
        (CUSTOM, {"ttl": 60, "outputType": "dataURI"}, "ttl"),
        (CUSTOM, {"outputFormat": "WAV", "audioSettings": {}}, "audioSettings"),
        (CUSTOM, {"outputFormat": "FLAC", "audioSettings": {"channels": 1}}, "audioSettings"),
        (CUSTOM, {"outputFormat": "AAC"}, "outputFormat"),
        (CUSTOM, {"outputType": "url"}, "outputType"),
        (CUSTOM, {"audioSettings": {"sampleRate": 96000}}, "audioSettings.sampleRate"),
        (CUSTOM, {"audioSettings": {"channels": 3}}, "audioSettings.channels"),
        (CUSTOM, {"audioSettings": {"bitrate": 7}}, "audioSettings.bitrate"),
        (CUSTOM, {"audioSettings": {"bitrate": 161}}, "audioSettings.bitrate"),
        (CUSTOM, {"numberResults": 0}, "numberResults"),
        (CUSTOM, {"numberResults": 5}, "numberResults"),
        (CUSTOM, {"deliveryMethod": "stream"}, "deliveryMethod"),
        (CUSTOM, {"includeCost": "yes"}, "includeCost"),
        (CUSTOM, {"taskUUID": "12345678"}, "taskUUID"),
        (CUSTOM, {"taskUUID": ID + "\n"}, "taskUUID"),
        (CUSTOM, {"speech": {"text": " \n", "voice": "a"}}, "speech.text"),
        (CUSTOM, {"taskUUID": "58703dfd-8d1b-16f2-8efd-8ef2a9f23fdd"}, "taskUUID"),
        (CUSTOM, {"speech": None}, "speech"),
        (CUSTOM, {"speech": {"text": "a"}}, "speech.voice"),
        (CUSTOM, {"speech": {"voice": "a"}}, "speech.text"),
        (CUSTOM, {"speech": {"text": "", "voice": "a"}}, "speech.text"),
        (CUSTOM, {"speech": {"text": "a" * 2001, "voice": "a"}}, "speech.text"),
        (CUSTOM, {"speech": {"text": "a", "voice": "a", "speed": 0.24}}, "speech.speed"),
        (CUSTOM, {"speech": {"text": "a", "voice": "a", "speed": 4.1}}, "speech.speed"),
        (CUSTOM, {"speech": {"text": "a", "voice": "a", "language": "Latin"}}, "speech.language"),
        (CUSTOM, {"speech": {"text": "a", "voice": "a", "language": ""}}, "speech.language"),
        (CUSTOM, {"settings": {"maxNewTokens": 0}}, "settings.maxNewTokens"),
        (CLONE, {"settings": {}}, "settings.transcript"),
        (CLONE, {"settings": {"transcript": " "}}, "settings.transcript"),
        (CLONE, {"settings": None}, "settings.transcript"),
        (CLONE, {"inputs": {}}, "inputs.audio"),
        (CLONE, {"inputs": None}, "inputs"),
        (CLONE, {"speech": {"text": "a", "voice": "Serena"}}, "speech.voice"),
        (DESIGN, {"positivePrompt": None}, "positivePrompt"),
        (DESIGN, {"positivePrompt": ""}, "positivePrompt"),
    ],
)
def test_a_value_out_of_its_range_is_named(
    base: dict[str, Any], change: dict[str, Any], param: str
) -> None:
    error = refused(base | change)
    assert isinstance(error, InvalidParameter)
    assert error.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (CUSTOM | {"routing": {}}, "routing"),
        (CUSTOM | {"seed": 1}, "seed"),
        (CUSTOM | {"inputs": {"audio": "https://a"}}, "inputs"),
        (CUSTOM | {"settings": {"transcript": "a"}}, "settings.transcript"),
        (CUSTOM | {"audioSettings": {"codec": "a"}}, "audioSettings.codec"),
        (CLONE | {"positivePrompt": "a"}, "positivePrompt"),
        ({"taskType": "imageInference", "taskUUID": ID}, "taskType"),
        ({"taskType": "getResponse", "taskUUID": ID, "x": 1}, "x"),
    ],
)
def test_an_unknown_field_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    error = refused(fields)
    assert isinstance(error, UnknownParameter)
    assert error.param == param


def test_an_unknown_model_is_told_with_those_there_are() -> None:
    error = refused(CUSTOM | {"model": "alibaba:qwen@4"})
    assert isinstance(error, UnknownVoice)
    assert error.param == "model"
    assert error.details["candidates"] == [BASE, CUSTOM_VOICE, VOICE_DESIGN]


def test_a_transcript_is_not_needed_for_the_embedding_alone() -> None:
    task = asked(CLONE | {"settings": {"xVectorOnly": True}})
    assert isinstance(task, Inference)
    assert task.x_vector_only


def test_one_refused_task_stops_no_other() -> None:
    first, second, third = decode_tasks(json.dumps([CUSTOM, CUSTOM | {"ttl": 1}, 5]))
    assert isinstance(first, Inference)
    assert isinstance(second, Refusal)
    assert (second.kind, second.id) == ("audioInference", ID)
    assert isinstance(third, Refusal)
    assert (third.kind, third.id) == ("", "")


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_array_of_tasks_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        decode_tasks(body)


def test_an_array_has_a_most() -> None:
    with pytest.raises(InvalidMessage):
        decode_tasks(json.dumps([CUSTOM] * (MOST_TASKS + 1)))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.sampled_from([CUSTOM, CLONE, DESIGN]),
    st.dictionaries(
        st.sampled_from(sorted(CLONE | DESIGN | {"ttl": 1, "x": 1})), values, max_size=3
    ),
)
def test_whatever_comes_is_a_task_or_a_typed_refusal(
    base: dict[str, Any], change: dict[str, Any]
) -> None:
    task = asked(base | change)
    assert isinstance(task, Refusal) or encode_tasks([task])
