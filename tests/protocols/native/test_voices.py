"""Voices on the wire: what a client asks for is what a server reads, and what it tells is read back."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.protocols.native.voices import (
    CloneRequest,
    DesignRequest,
    decode_clone,
    decode_design,
    decode_voice,
    encode_clone,
    encode_design,
    encode_voice,
    own_answer,
)
from streamer.resources import OwnVoice

LINES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=64)
SAID = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)
LANGUAGES = st.sampled_from(["auto", "de", "zh-CN"])
MODELS = st.none() | st.sampled_from(["qwen3"])


@given(
    st.sampled_from(["data", "url", "file"]),
    st.builds(CloneRequest, name=LINES, transcript=SAID, language=LANGUAGES, model=MODELS),
)
def test_a_clone_is_asked_for_as_it_is_read(source: str, request: CloneRequest) -> None:
    given_by = {source: "https://example.org/a.wav"}
    whole = CloneRequest(
        **given_by,
        name=request.name,
        transcript=request.transcript,
        language=request.language,
        model=request.model,
    )
    assert decode_clone(encode_clone(whole)) == whole


@given(
    st.builds(
        DesignRequest,
        description=SAID.filter(str.strip),
        preview_text=st.just("") | SAID.filter(str.strip),
        name=LINES,
        language=LANGUAGES,
        model=MODELS,
        seed=st.integers(0, 2**32 - 1),
    )
)
def test_a_design_is_asked_for_as_it_is_read(request: DesignRequest) -> None:
    assert decode_design(encode_design(request)) == request


def test_a_voice_is_told_without_its_key_and_read_back() -> None:
    voice = OwnVoice("voice_1", "key_1", "e", "design", ("en",), 0.0, "Ann", "calm", "Hello.")
    told = encode_voice(own_answer(voice))
    assert b"key_1" not in told
    answer = decode_voice(told)
    assert (answer.id, answer.name, answer.kind) == ("voice_1", "Ann", "design")
    assert answer.created_at == "1970-01-01T00:00:00.000Z"
