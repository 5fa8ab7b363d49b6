"""The scripted crun answers as its documents show, and our client finds its way through it."""

from __future__ import annotations

import httpx
import pytest

from streamer.errors import EngineFailed
from streamer.protocols.crun import SPEECH, Client
from streamer.protocols.hosted import Again, Call, Sound, Step, Utterance
from tests.providers.base import Act, running
from tests.providers.crun import CrunProvider

UTTERANCE = Utterance("one two three four", "Serena", language="en")


def asked(http: httpx.Client, provider: CrunProvider, call: Call, key: str = "") -> Step:
    answer = http.request(
        call.method,
        provider.url + call.path,
        content=call.body,
        headers={**call.headers, **Client().authorize(key or provider.key)},
    )
    return Client().read(call, answer.status_code, answer.headers, answer.content)


def sound(http: httpx.Client, provider: CrunProvider) -> Sound:
    step = asked(http, provider, Client().create(UTTERANCE, SPEECH))
    while isinstance(step, Again):
        step = asked(http, provider, step.call)
    return step


def test_our_client_gets_its_sound() -> None:
    with running(CrunProvider()) as provider, httpx.Client(trust_env=False) as http:
        url = sound(http, provider).url
        assert url is not None
        file = http.get(url)
        assert (file.content[:4], file.headers["content-type"]) == (b"RIFF", "audio/wav")
        assert len(provider.asked("poll")) == provider.waits + 1


def test_a_task_fails() -> None:
    with running(CrunProvider()) as provider, httpx.Client(trust_env=False) as http:
        provider.failures.append("no voice today")
        with pytest.raises(EngineFailed) as caught:
            sound(http, provider)
        assert "no voice today" in caught.value.message
        assert sound(http, provider).url


@pytest.mark.parametrize("mirrors", [True, False], ids=["HTTP status mirrors", "HTTP 200"])
def test_errors_are_errors_whichever_way_they_are_told(mirrors: bool) -> None:
    with running(CrunProvider(mirrors=mirrors)) as provider, httpx.Client(trust_env=False) as http:
        create = Client().create(UTTERANCE, SPEECH)
        with pytest.raises(EngineFailed) as caught:
            asked(http, provider, create, key="another")
        assert not caught.value.retryable
        provider.script("speech", Act(status=429, headers={"retry-after": "7"}), Act(status=455))
        with pytest.raises(EngineFailed) as caught:
            asked(http, provider, create)
        assert (caught.value.retryable, caught.value.details["retry_after_s"]) == (True, 7)
        with pytest.raises(EngineFailed) as caught:
            asked(http, provider, create)
        assert caught.value.retryable
