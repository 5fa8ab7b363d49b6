"""What Evolink's requests mean, each field's bounds, and whom an error names."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import RequestError
from streamer.protocols.evolink import Design, Speech, decode_request, designed_name, is_designed
from streamer.protocols.evolink.client import Client
from streamer.protocols.hosted import LANGUAGES, Utterance
from streamer.types import AudioFormat

EXAMPLE = {
    "model": "qwen3-tts-vd",
    "prompt": "Good evening, listeners. Welcome to the evening news broadcast.",
    "voice": "qwen-tts-vd-announcer-voice-20260402-a1b2",
}
DESIGN = {
    "model": "qwen-voice-design",
    "voice_prompt": "A calm announcer.",
    "preview_text": "Good evening.",
}
LONGEST = "https://hooks.example/" + "a" * (2048 - len("https://hooks.example/"))

speakable = st.text(min_size=1, max_size=600).filter(lambda text: bool(text.strip()))
utterances = st.builds(
    Utterance,
    text=speakable,
    voice=st.text(min_size=1, max_size=256),
    language=st.sampled_from(sorted(LANGUAGES.values())),
)


def decoded(**fields: Any) -> Speech | Design:
    return decode_request(json.dumps(fields).encode())


@given(utterances)
def test_what_our_client_asks_for_is_what_our_server_reads(utterance: Utterance) -> None:
    call = Client().create(utterance, Client.traits.model)

    assert (call.method, call.path) == ("POST", "/v1/audios/generations")
    assert decode_request(call.body) == Speech(utterance.text, utterance.voice, utterance.language)


def test_a_language_without_a_name_here_is_left_to_the_provider() -> None:
    for tag, expected in (("sw", "auto"), ("pt-BR", "pt"), ("auto", "auto")):
        call = Client().create(Utterance("Hi.", "v", language=tag), "qwen3-tts-vd")
        speech = decode_request(call.body)
        assert isinstance(speech, Speech)
        assert speech.language == expected


def test_the_documents_example_is_speech_in_its_voice() -> None:
    assert decoded(**EXAMPLE) == Speech(EXAMPLE["prompt"], EXAMPLE["voice"])


def test_the_model_is_speech_where_it_is_left_out() -> None:
    assert decoded(prompt="Hi.", voice="v") == Speech("Hi.", "v")
    assert decoded(model=None, prompt="Hi.", voice="v") == Speech("Hi.", "v")


def test_every_language_of_the_document_is_known() -> None:
    for name, tag in LANGUAGES.items():
        speech = decoded(**EXAMPLE, language_type=name)
        assert isinstance(speech, Speech)
        assert speech.language == tag


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 600},
        {"prompt": "😀" * 600},  # code points, not bytes
        {"prompt": "x"},
        {"voice": "v" * 256},
        {"callback_url": LONGEST},
        {"callback_url": "HTTPS://hooks.example/"},
        {"callback_url": None, "language_type": None},
    ],
)
def test_what_is_within_the_bounds_is_taken(fields: dict[str, Any]) -> None:
    assert isinstance(decoded(**{**EXAMPLE, **fields}), Speech)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"prompt": ""}, "invalid_parameter", "prompt"),
        ({"prompt": " \n\t"}, "invalid_parameter", "prompt"),
        ({"prompt": "x" * 601}, "invalid_parameter", "prompt"),
        ({"prompt": None}, "invalid_parameter", "prompt"),
        ({"prompt": ["x"]}, "invalid_parameter", "prompt"),
        ({"voice": ""}, "invalid_parameter", "voice"),
        ({"voice": "v" * 257}, "invalid_parameter", "voice"),
        ({"voice": 7}, "invalid_parameter", "voice"),
        ({"language_type": "english"}, "invalid_parameter", "language_type"),
        ({"language_type": "Dutch"}, "invalid_parameter", "language_type"),
        ({"callback_url": ""}, "invalid_parameter", "callback_url"),
        ({"callback_url": "http://hooks.example/"}, "invalid_parameter", "callback_url"),
        ({"callback_url": "ftp://hooks.example/"}, "invalid_parameter", "callback_url"),
        ({"callback_url": LONGEST + "a"}, "invalid_parameter", "callback_url"),
        ({"model": 3}, "invalid_parameter", "model"),
        ({"model": "qwen3-tts"}, "not_found", "model"),
        ({"speed": 1.5}, "unknown_parameter", "speed"),
        ({"voice_prompt": "x"}, "unknown_parameter", "voice_prompt"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**{**EXAMPLE, **fields})

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("name", ["prompt", "voice"])
def test_a_field_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**{key: value for key, value in EXAMPLE.items() if key != name})

    assert caught.value.param == name


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b"{", b"\xff", b'{"prompt": NaN}', b"[" * 9999]
)
def test_what_is_no_object_is_an_invalid_message(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        decode_request(body)

    assert caught.value.code == "invalid_message"


def test_a_voice_is_designed_with_the_documented_defaults() -> None:
    assert decoded(**DESIGN) == Design(
        "A calm announcer.",
        "Good evening.",
        "custom",
        None,
        AudioFormat("pcm_s16le", "wav", 24000),
    )


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("pcm", "pcm_s16le", "none"),
        ("wav", "pcm_s16le", "wav"),
        ("mp3", "mp3", "mp3"),
        ("opus", "opus", "ogg"),
    ],
)
def test_a_preview_comes_as_asked(name: str, codec: str, container: str) -> None:
    design = decoded(
        **DESIGN,
        response_format=name,
        sample_rate=48000,
        preferred_name="announcer_01abcd",
        language="de",
        target_model="qwen3-tts-vd-2026-01-26",
        callback_url="https://hooks.example/",
    )

    assert isinstance(design, Design)
    assert design.audio == AudioFormat(codec, container, 48000)
    assert (design.name, design.language) == ("announcer_01abcd", "de")
    assert design.callback_url == "https://hooks.example/"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("voice_prompt", ""),
        ("voice_prompt", " "),
        ("voice_prompt", "x" * 2049),
        ("preview_text", ""),
        ("preview_text", "\n"),
        ("preview_text", "x" * 1025),
        ("preferred_name", ""),
        ("preferred_name", "a" * 17),
        ("preferred_name", "a b"),
        ("preferred_name", "a\n"),
        ("language", "English"),
        ("sample_rate", 22050),
        ("sample_rate", "24000"),
        ("response_format", "flac"),
        ("target_model", "tts-1"),
        ("callback_url", "http://hooks.example/"),
        ("prompt", "x"),
    ],
)
def test_a_bad_field_of_a_design_is_named(name: str, value: object) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**{**DESIGN, name: value})

    assert caught.value.param == name


@pytest.mark.parametrize(("name", "length"), [("voice_prompt", 2048), ("preview_text", 1024)])
def test_a_design_may_be_as_long_as_documented(name: str, length: int) -> None:
    assert isinstance(decoded(**{**DESIGN, name: "é" * length}), Design)


def test_a_designed_voice_is_known_by_its_name() -> None:
    assert is_designed(EXAMPLE["voice"])
    assert is_designed(designed_name("announcer", "20260402", "a1b2"))
    for name in (
        "Cherry",
        "qwen-tts-vd",
        EXAMPLE["voice"] + "\n",
        "qwen-tts-vd--voice-20260402-a1b2",
    ):
        assert not is_designed(name)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*EXAMPLE, *DESIGN, "language_type", "callback_url", "x"]), inner
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_body_is_read_or_refused_with_a_typed_error(body: bytes) -> None:
    with suppress(RequestError):
        decode_request(body)
