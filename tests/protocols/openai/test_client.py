"""The client's half of OpenAI's API: the server's half reads what it says, and it reads any answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed, StreamerError
from streamer.protocols.hosted import Utterance
from streamer.protocols.openai import BUILTIN_VOICES, FORMATS, decode_request, encode_error
from streamer.protocols.openai.client import Client

CALL = Client().create(Utterance("hello", "alloy"), "tts-1")

names = st.text(min_size=1, max_size=40)
utterances = st.builds(
    Utterance,
    text=st.text(min_size=1, max_size=200).filter(lambda text: bool(text.strip())),
    voice=names.filter(lambda name: name not in BUILTIN_VOICES),
    instructions=st.text(max_size=100),
    speed=st.floats(0.25, 4),
)


@given(utterances, names.filter(lambda name: not name.startswith(("tts-1", "gpt-4o"))))
def test_the_servers_half_inverts_the_clients(utterance: Utterance, model: str) -> None:
    call = Client().create(utterance, model)
    assert (call.method, call.path) == ("POST", "/audio/speech")
    request = decode_request(call.body)
    options = request.start.options
    assert request.text == utterance.text
    assert (options.voice, options.model) == (utterance.voice, model)
    assert (options.instructions or "", options.speed or 1.0) == (
        utterance.instructions,
        utterance.speed,
    )
    assert request.start.audio == FORMATS["wav"]


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_that_is_no_sound_is_a_failure(status: int, body: bytes) -> None:
    with pytest.raises(EngineFailed):
        Client().read(CALL, status, {}, body)


@given(st.sampled_from(StreamerError.__subclasses__()), st.text(max_size=40))
def test_our_own_servers_errors_are_read(kind: type[StreamerError], said: str) -> None:
    status, body, headers = encode_error(kind(said, retry_after_s=2))
    with pytest.raises(EngineFailed) as caught:
        Client().read(CALL, status, headers, body)
    assert caught.value.details.get("retry_after_s") == 2
    assert caught.value.retryable is (status == 429 or status >= 500)


def test_a_quota_that_is_spent_is_not_worth_another_try() -> None:
    body = b'{"error": {"message": "You exceeded", "code": "insufficient_quota"}}'
    with pytest.raises(EngineFailed) as caught:
        Client().read(CALL, 429, {}, body)
    assert not caught.value.retryable


def test_bare_pcm_is_given_the_rate_of_the_documents() -> None:
    client = Client()
    assert client.streams(CALL, 200, {"content-type": "audio/pcm"}) == "audio/pcm; rate=24000"
    told = "audio/pcm; rate=16000; channels=1"
    assert client.streams(CALL, 200, {"content-type": told}) == told
    assert client.streams(CALL, 200, {"content-type": "audio/wav"}) == "audio/wav"
    assert client.streams(CALL, 200, {"content-type": "application/json"}) is None


def test_without_a_key_there_is_no_header() -> None:
    assert Client().authorize("") == {}
    assert Client().authorize("k") == {"authorization": "Bearer k"}
