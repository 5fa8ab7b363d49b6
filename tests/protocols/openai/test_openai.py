import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InvalidParameter, RequestError
from streamer.protocols.base import RemoteProtocolError, SpeechRequest
from streamer.protocols.openai import (
    ANY_ENGINE,
    BUILTIN_VOICES,
    FORMATS,
    content_type,
    decode_models,
    decode_request,
    encode_model,
    encode_models,
    encode_request,
)
from streamer.types import AudioFormat, OptionsUpdate, Start
from tests.protocols.strategies import maybe

names = st.text(min_size=1, max_size=40)
requests = st.builds(
    SpeechRequest,
    st.builds(
        Start,
        st.just("speech"),
        st.builds(
            OptionsUpdate,
            voice=maybe(names.filter(lambda name: name not in BUILTIN_VOICES)),
            model=maybe(names.filter(lambda name: not name.startswith(("tts-1", "gpt-4o")))),
            instructions=maybe(st.text(max_size=100)),
            speed=maybe(st.floats(0.25, 4)),
        ),
        st.sampled_from(sorted(FORMATS.values(), key=repr)),
        timestamps=st.just("none"),
    ),
    st.text(min_size=1, max_size=100).filter(lambda text: bool(text.strip())),
    st.sampled_from(["audio", "sse"]),
)


def decoded(known: tuple[str, ...] = (), **fields: Any) -> SpeechRequest:
    return decode_request(json.dumps({"input": "Hi.", **fields}).encode(), known=known)


@given(requests)
def test_a_request_is_read_back(request: SpeechRequest) -> None:
    assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize("voice", ["heart", {"id": "heart"}])
def test_a_voice_is_a_name_or_an_object(voice: object) -> None:
    assert decoded(voice=voice).start.options.voice == "heart"


def test_the_voices_of_openai_mean_the_default_unless_there_is_one_of_that_name() -> None:
    for name in BUILTIN_VOICES:
        assert decoded(voice=name).start.options.voice is None
    assert decoded(voice="alloy", known=("alloy",)).start.options.voice == "alloy"
    assert decoded(voice={"id": "alloy"}).start.options.voice is None


@pytest.mark.parametrize("model", [*sorted(ANY_ENGINE), "gpt-4o-mini-tts-2025-12-15", None])
def test_the_models_of_openai_mean_any_engine(model: str | None) -> None:
    assert decoded(model=model).start.options.model is None


def test_a_model_of_ours_is_meant() -> None:
    assert decoded(model="hibari").start.options.model == "hibari"


@pytest.mark.parametrize(
    ("name", "audio", "mime"),
    [
        (None, AudioFormat("mp3", "mp3"), "audio/mpeg"),
        ("mp3", AudioFormat("mp3", "mp3"), "audio/mpeg"),
        ("opus", AudioFormat("opus", "ogg"), "audio/ogg"),
        ("aac", AudioFormat("aac", "adts"), "audio/aac"),
        ("flac", AudioFormat("flac", "flac"), "audio/flac"),
        ("wav", AudioFormat("pcm_s16le", "wav", 24000), "audio/wav"),
        ("pcm", AudioFormat("pcm_s16le", "none", 24000), "audio/pcm; rate=24000; channels=1"),
    ],
)
def test_each_format_is_sent_under_its_content_type(
    name: str | None, audio: AudioFormat, mime: str
) -> None:
    request = decoded(response_format=name)

    assert request.start.audio == audio
    assert content_type(request) == mime
    assert content_type(decoded(response_format=name, stream_format="sse")) == "text/event-stream"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": ""}, "invalid_parameter", "input"),
        ({"input": " \n"}, "invalid_parameter", "input"),
        ({"input": None}, "invalid_parameter", "input"),
        ({"speed": 0.2}, "invalid_parameter", "speed"),
        ({"speed": 4.1}, "invalid_parameter", "speed"),
        ({"response_format": "ogg"}, "invalid_parameter", "response_format"),
        ({"stream_format": "chunks"}, "invalid_parameter", "stream_format"),
        ({"voice": 5}, "invalid_parameter", "voice"),
        ({"voice": ""}, "invalid_parameter", "voice"),
        ({"voice": {"name": "x"}}, "unknown_parameter", "voice.name"),
        ({"voice": {}}, "invalid_parameter", "voice.id"),
        ({"stream": True}, "unknown_parameter", "stream"),
    ],
)
def test_a_bad_request_names_the_parameter(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**fields)

    assert (caught.value.code, caught.value.param) == (code, param)


def test_a_body_that_is_not_json_is_an_invalid_message() -> None:
    with pytest.raises(RequestError) as caught:
        decode_request(b"input=Hi.")

    assert caught.value.code == "invalid_message"


def test_a_format_without_a_name_here_is_refused() -> None:
    request = SpeechRequest(Start("speech", audio=AudioFormat("pcm_mulaw", "wav")), "Hi.")

    with pytest.raises(InvalidParameter):
        encode_request(request)


def test_models_are_listed_as_openai_lists_them() -> None:
    body = encode_models(["hibari", "tts-1"])

    assert json.loads(body) == {
        "object": "list",
        "data": [
            {"id": "hibari", "object": "model", "created": 0, "owned_by": "streamer"},
            {"id": "tts-1", "object": "model", "created": 0, "owned_by": "streamer"},
        ],
    }
    assert decode_models(body) == ["hibari", "tts-1"]
    assert json.loads(encode_model("hibari"))["id"] == "hibari"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":[{"name":"x"}]}'])
def test_what_is_no_list_of_models_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_models(body)
