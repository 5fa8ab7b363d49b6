"""The scripted Evolink answers as its documents show, and our client finds its way through it."""

from __future__ import annotations

import httpx
import pytest

from streamer.errors import EngineFailed
from streamer.protocols.evolink import Client
from streamer.protocols.hosted import Again, Call, Sound, Step, Utterance
from tests.providers.base import Act, running
from tests.providers.evolink import VOICE, EvolinkProvider

UTTERANCE = Utterance("one two three four", VOICE, language="en")


def asked(http: httpx.Client, provider: EvolinkProvider, call: Call) -> Step:
    answer = http.request(
        call.method,
        provider.url + call.path,
        content=call.body,
        headers={**call.headers, **Client().authorize(provider.key)},
    )
    return Client().read(call, answer.status_code, answer.headers, answer.content)


def sound(http: httpx.Client, provider: EvolinkProvider, utterance: Utterance) -> Sound:
    step = asked(http, provider, Client().create(utterance, "qwen3-tts-vd"))
    while isinstance(step, Again):
        step = asked(http, provider, step.call)
    return step


def test_our_client_gets_its_sound() -> None:
    with running(EvolinkProvider()) as provider, httpx.Client(trust_env=False) as http:
        url = sound(http, provider, UTTERANCE).url
        assert url is not None
        file = http.get(url)
        assert (file.content[:4], file.headers["content-type"]) == (b"RIFF", "audio/wav")
        assert len(provider.asked("poll")) == provider.waits + 1


@pytest.mark.parametrize(
    ("code", "retryable"), [("invalid_parameters", False), ("generation_timeout", True)]
)
def test_a_task_fails(code: str, retryable: bool) -> None:
    with running(EvolinkProvider()) as provider, httpx.Client(trust_env=False) as http:
        provider.failures.append(code)
        with pytest.raises(EngineFailed) as caught:
            sound(http, provider, UTTERANCE)
        assert caught.value.retryable is retryable
        assert sound(http, provider, UTTERANCE).url


def test_what_the_document_forbids_is_refused() -> None:
    with running(EvolinkProvider()) as provider, httpx.Client(trust_env=False) as http:
        for utterance in (Utterance("Hi.", "Cherry"), Utterance("x" * 601, VOICE)):
            with pytest.raises(EngineFailed) as caught:
                sound(http, provider, utterance)
            assert not caught.value.retryable
        for path in ("/v1/tasks/task-unified-1-00000000", "/v1/tasks/"):
            with pytest.raises(EngineFailed) as caught:
                asked(http, provider, Call("GET", path))
        provider.script("speech", Act(status=429, headers={"retry-after": "2"}))
        with pytest.raises(EngineFailed) as caught:
            sound(http, provider, UTTERANCE)
        assert caught.value.details == {"retry_after_s": 2.0}
