"""The scripted Runware answers as its document shows, and our client finds its way through it."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from streamer.errors import EngineFailed
from streamer.protocols.hosted import Again, Call, Sound, Step, Utterance
from streamer.protocols.runware import Client
from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE, VOICE_DESIGN
from tests.providers.base import Act, running
from tests.providers.runware import RunwareProvider


def utterance(text: str = "one two three four", voice: str = "Serena", **more: Any) -> Utterance:
    return Utterance(text, voice, str(uuid.uuid4()), language="en", **more)


def asked(http: httpx.Client, provider: RunwareProvider, client: Client, call: Call) -> Step:
    answer = http.request(
        call.method,
        provider.url + call.path,
        content=call.body,
        headers={**call.headers, **client.authorize(provider.key)},
    )
    return client.read(call, answer.status_code, answer.headers, answer.content)


def sound(
    http: httpx.Client,
    provider: RunwareProvider,
    wanted: Utterance,
    model: str = CUSTOM_VOICE,
    client: Client | None = None,
) -> Sound:
    client = client or Client()
    step = asked(http, provider, client, client.create(wanted, model))
    while isinstance(step, Again):
        step = asked(http, provider, client, step.call)
    return step


@pytest.mark.parametrize(
    ("client", "polls"), [(Client(), 0), (Client(delivery="async"), 3)], ids=["sync", "async"]
)
def test_our_client_gets_its_sound(client: Client, polls: int) -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        url = sound(http, provider, utterance(), client=client).url
        assert url is not None
        file = http.get(url)
        assert (file.content[:4], file.headers["content-type"]) == (b"RIFF", "audio/wav")
        assert len(provider.asked("poll")) == polls


@pytest.mark.parametrize("output_type", ["base64Data", "dataURI"])
def test_our_client_takes_sound_in_the_answer(output_type: Any) -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        got = sound(http, provider, utterance(), client=Client(output_type=output_type))
        assert got.data is not None
        assert (got.data[:4], got.content_type) == (b"RIFF", "audio/wav")


@pytest.mark.parametrize(
    ("model", "voice"), [(BASE, "https://assets.example/a.mp3"), (VOICE_DESIGN, "An old man.")]
)
def test_the_other_models_are_asked_as_they_want(model: str, voice: str) -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        assert sound(http, provider, utterance(voice=voice), model).url


def test_an_answer_that_was_lost_is_found_again() -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        wanted = utterance()
        assert sound(http, provider, wanted).url
        assert sound(http, provider, wanted).url
        assert provider.asked("poll")


@pytest.mark.parametrize(
    ("code", "retryable"), [("invalidParameter", False), ("timeoutProvider", True)]
)
def test_a_task_fails(code: str, retryable: bool) -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        provider.failures.append(code)
        with pytest.raises(EngineFailed) as caught:
            sound(http, provider, utterance())
        assert caught.value.retryable is retryable
        assert sound(http, provider, utterance()).url


def test_what_the_document_forbids_is_refused() -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        for wanted in (utterance("x" * 2001), utterance(voice="nobody"), utterance(speed=5.0)):
            with pytest.raises(EngineFailed) as caught:
                sound(http, provider, wanted)
            assert not caught.value.retryable


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (402, False), (429, True)])
def test_a_scripted_error_is_the_apis_own(status: int, retryable: bool) -> None:
    with running(RunwareProvider()) as provider, httpx.Client(trust_env=False) as http:
        provider.script("speech", Act(status=status, headers={"retry-after": "2"}))
        with pytest.raises(EngineFailed) as caught:
            sound(http, provider, utterance())
        assert caught.value.retryable is retryable
        assert caught.value.details["retry_after_s"] == 2
