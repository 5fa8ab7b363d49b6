"""The scripted ModelStream and our client's half understand each other."""

import json
from collections.abc import Iterator

import httpx
import pytest

from streamer.errors import EngineFailed
from streamer.protocols.hosted import Sound, Utterance
from streamer.protocols.modelstream import Client
from tests.providers.base import running
from tests.providers.modelstream import Form, ModelStreamProvider
from tests.providers.sounds import encoded, said_words, spoken

TEXT = "Hello there, beach."


@pytest.fixture(scope="module")
def provider() -> Iterator[ModelStreamProvider]:
    with running(ModelStreamProvider()) as provider:
        yield provider


def heard(
    provider: ModelStreamProvider, *, key: str | None = None, voice: str = "Cherry", **wish: object
) -> tuple[Sound, bool]:
    """The sound, its file fetched, and whether it could be heard as it came."""
    client = Client()
    call = client.create(Utterance(TEXT, voice, **wish), client.traits.model)  # type: ignore[arg-type]
    headers = {**call.headers, **client.authorize(key or provider.key)}
    answer = httpx.request(
        call.method, provider.url + call.path, headers=headers, content=call.body
    )
    told = {name.lower(): value for name, value in answer.headers.items()}
    step = client.read(call, answer.status_code, told, answer.content)
    assert isinstance(step, Sound)
    if step.url is not None:
        file = httpx.get(step.url, trust_env=False)
        step = Sound(file.content, content_type=file.headers["content-type"])
    return step, client.streams(call, answer.status_code, told) is not None


@pytest.mark.parametrize("form", ["bytes", "unnamed", "string"])
def test_the_sound_is_that_of_the_text_in_whatever_form_it_comes(
    provider: ModelStreamProvider, form: Form
) -> None:
    provider.form = form

    sound, streamed = heard(provider, speed=1.5, volume=0.5, sample_rate=16000)

    assert sound.data == encoded(spoken(TEXT, speed=1.5) * 0.5, "pcm", out=16000)
    assert sound.content_type == "audio/pcm; rate=16000; channels=1"
    assert streamed is (form == "bytes")


def test_the_models_own_answer_leads_to_a_file(provider: ModelStreamProvider) -> None:
    provider.form = "model"

    sound, streamed = heard(provider)

    assert (sound.data, sound.content_type) == (encoded(spoken(TEXT), "wav"), "audio/wav")
    assert not streamed


def test_times_come_with_the_sound(provider: ModelStreamProvider) -> None:
    sound, _ = heard(provider, timestamps=True)

    assert sound.data == encoded(spoken(TEXT), "pcm")
    assert [
        {"text": word.text, "start": word.start_s, "end": word.end_s} for word in sound.words
    ] == said_words(TEXT)


def test_it_refuses_what_its_document_does_not_have(provider: ModelStreamProvider) -> None:
    for wish in ({"key": "stolen"}, {"voice": "Ethan"}, {"speed": 3.0}):
        with pytest.raises(EngineFailed) as caught:
            heard(provider, **wish)
        assert not caught.value.retryable


def test_the_documents_other_names_are_taken(provider: ModelStreamProvider) -> None:
    body = {"text": TEXT, "format": "pcm", "sample_rate": "16000", "voice": "Aiden"}
    provider.form = "bytes"

    answer = httpx.post(
        provider.url + "/v1/audio/speech",
        content=json.dumps(body),
        headers={"authorization": f"Bearer {provider.key}"},
        trust_env=False,
    )

    assert answer.content == encoded(spoken(TEXT), "pcm", out=16000)
