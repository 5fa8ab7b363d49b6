"""What crun's requests mean, and that our client's are those our server reads."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InvalidParameter, RequestError
from streamer.protocols.crun import (
    CLONE,
    DESIGN,
    SPEECH,
    WAV,
    Client,
    Task,
    decode_task,
    encode_task,
    job_of,
)
from streamer.protocols.hosted import LANGUAGES, Utterance
from streamer.resources import WebhookTarget

speakable = st.text(min_size=1, max_size=200).filter(lambda text: bool(text.strip()))
names = st.text(min_size=1, max_size=256)
languages = st.none() | st.sampled_from(sorted(LANGUAGES.values()))
common: dict[str, Any] = {
    "text": speakable,
    "language": languages,
    "callback_url": st.none() | st.text(min_size=1, max_size=2048),
}
tasks = st.one_of(
    st.builds(
        Task,
        model=st.just(SPEECH),
        voice=st.none() | names,
        instructions=st.none() | st.text(),
        optimize_instructions=st.none() | st.booleans(),
        **common,
    ),
    st.builds(
        Task,
        model=st.just(CLONE),
        audio_url=st.text(min_size=1, max_size=2048),
        transcript=st.none() | st.text(),
        **common,
    ),
    st.builds(Task, model=st.just(DESIGN), description=st.text(min_size=1), **common),
)


@given(tasks)
def test_what_is_asked_for_is_what_is_read(task: Task) -> None:
    assert decode_task(encode_task(task)) == task


@given(
    st.builds(
        Utterance,
        text=speakable,
        voice=st.text(max_size=256),
        language=st.sampled_from([*LANGUAGES.values(), "sw", "pt-BR"]),
        instructions=st.text(),
    )
)
def test_what_our_client_asks_for_is_what_our_server_reads(utterance: Utterance) -> None:
    call = Client().create(utterance, Client.traits.model)
    assert (call.method, call.path) == ("POST", "/api/v1/client/job/CreateTask")
    assert decode_task(call.body) == Task(
        utterance.text,
        voice=utterance.voice or None,
        language={"sw": "auto", "pt-BR": "pt"}.get(utterance.language, utterance.language),
        instructions=utterance.instructions or None,
    )


@given(tasks, names)
def test_a_job_says_again_what_was_asked(task: Task, alias: str) -> None:
    job = job_of(task, alias)
    assert decode_task(job.echo.encode()) == task
    assert (job.dialect, job.alias, job.text) == ("crun", alias, task.text)
    assert (job.start.audio, job.start.options.voice) == (WAV, task.voice)
    assert job.start.options.instructions == (task.instructions or None)
    url = task.callback_url
    assert job.webhook == (None if url is None else WebhookTarget(url, policy="crun"))
    assert job_of(task, alias, "another").start.options.voice == "another"


@pytest.mark.parametrize("name", ["english", "ENGLISH", " English "])
def test_a_language_may_be_written_in_any_case(name: str) -> None:
    body = {"model": SPEECH, "input": {"text": "Hi.", "language_type": name}}
    assert decode_task(json.dumps(body).encode()).language == "en"


def test_a_language_without_a_name_is_not_asked_for() -> None:
    with pytest.raises(InvalidParameter) as caught:
        encode_task(Task("Hi.", language="sw"))
    assert caught.value.param == "language"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["model", "input", "text", "voice", "callback_url", "language_type"]
                ),
                inner | st.sampled_from([SPEECH, CLONE, DESIGN]),
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_comes_is_read_or_refused(value: Any) -> None:
    with suppress(RequestError):
        decode_task(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_json_are_refused(body: bytes) -> None:
    with suppress(RequestError):
        decode_task(body)
