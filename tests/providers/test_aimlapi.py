"""The scripted AI/ML API and our client's half understand each other."""

from collections.abc import Iterator

import httpx
import pytest

from streamer.errors import EngineFailed
from streamer.protocols.aimlapi import Client
from streamer.protocols.hosted import Sound, Utterance
from tests.providers.aimlapi import AimlApiProvider
from tests.providers.base import INSIDE, Act, running
from tests.providers.sounds import encoded, spoken


@pytest.fixture(scope="module")
def provider() -> Iterator[AimlApiProvider]:
    with running(AimlApiProvider()) as provider:
        yield provider


def told(provider: AimlApiProvider, text: str = "Hi.", voice: str = "Li", key: str = "") -> Sound:
    client = Client()
    call = client.create(Utterance(text, voice), client.traits.model)
    headers = {**call.headers, **client.authorize(key or provider.key)}
    answer = httpx.request(
        call.method, provider.url + call.path, headers=headers, content=call.body
    )
    named = {name.lower(): value for name, value in answer.headers.items()}
    assert client.streams(call, answer.status_code, named) is None
    step = client.read(call, answer.status_code, named, answer.content)
    assert isinstance(step, Sound)
    return step


def test_the_answer_leads_to_the_sound_of_the_text(provider: AimlApiProvider) -> None:
    sound = told(provider, "é" * 600)

    assert sound.url is not None
    assert sound.url.startswith("http://")
    assert httpx.get(sound.url, trust_env=False).content == encoded(spoken("é" * 600), "wav")


@pytest.mark.parametrize("wish", [{"text": "a" * 601}, {"voice": "Chelsie"}, {"key": "stolen"}])
def test_it_refuses_what_its_document_does_not_have(
    provider: AimlApiProvider, wish: dict[str, str]
) -> None:
    with pytest.raises(EngineFailed) as caught:
        told(provider, **wish)

    assert not caught.value.retryable


def test_links_can_lead_inside_or_be_expired(provider: AimlApiProvider) -> None:
    provider.script("speech", Act(fault="inside"), Act(fault="expired"))

    assert told(provider).url == INSIDE
    expired = told(provider).url
    assert expired is not None
    assert httpx.get(expired, trust_env=False).status_code == 403
