"""What a query asks to be done with a file of captions: the server's reading inverts the client's saying."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import InvalidParameter, UnknownParameter
from streamer.protocols.base import SpeechRequest
from streamer.protocols.native.caption_files import decode_captions, encode_captions
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import AudioFormat, CueOptions, OptionsUpdate, Start

NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
MS = st.floats(0, 60_000)
OPTIONS = st.builds(
    OptionsUpdate,
    voice=st.none() | NAME,
    speed=st.none() | st.floats(0.25, 4),
    volume=st.none() | st.floats(0, 2),
    seed=st.none() | st.integers(0, 2**32 - 1),
)
AUDIO = st.builds(
    AudioFormat,
    codec=st.sampled_from(["opus", "mp3", "pcm_s16le"]),
    container=st.sampled_from(["none", "ogg", "wav"]),
    sample_rate=st.none() | st.sampled_from([8000, 48000]),
    frame_ms=st.none() | st.sampled_from([2.5, 20.0]),
)
CUES = st.builds(
    CueOptions,
    origin_ms=st.none() | MS,
    max_rate=st.floats(1, 2),
    overrun=st.sampled_from(["late", "merge", "skip"]),
    max_late_ms=MS,
    overlap=st.sampled_from(["queue", "mix"]),
    speakers=st.dictionaries(NAME, NAME, max_size=3),
    descriptions=st.sampled_from(["skip", "speak"]),
)


def starts(context: str) -> st.SearchStrategy[Start]:
    return st.builds(
        Start,
        context=st.just(context),
        options=OPTIONS,
        audio=AUDIO,
        timestamps=st.sampled_from(["none", "segment", "word", "char"]),
        strict=st.booleans(),
        trace=st.booleans(),
        input=st.just("captions"),
        cues=CUES,
        captions=st.booleans(),
    )


@given(starts("speech"), st.sampled_from(["audio", "lines"]))
def test_speech_is_what_was_asked_for(start: Start, delivery: str) -> None:
    request = SpeechRequest(start, "WEBVTT", delivery)  # type: ignore[arg-type]
    assert decode_captions(encode_captions(request), "WEBVTT") == request


@given(
    starts("job"),
    st.integers(1, 16),
    st.none() | st.builds(WebhookTarget, st.just("https://e.org/?a=b&c")),
    st.none() | st.floats(1, 1e6),
)
def test_a_job_is_what_was_asked_for(
    start: Start, results: int, webhook: WebhookTarget | None, ttl_s: float | None
) -> None:
    request = JobRequest(start, "WEBVTT", results, webhook, ttl_s)
    assert decode_captions(encode_captions(request), "WEBVTT") == request


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4))
def test_any_query_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    with suppress(UnknownParameter, InvalidParameter):
        decode_captions(query, "")


def test_the_usual_query_says_nothing_but_the_file() -> None:
    request = decode_captions([], "1")
    assert request == SpeechRequest(
        Start("speech", audio=AudioFormat(container="ogg"), input="captions"), "1"
    )
    assert encode_captions(request) == [("container", "ogg")]
    lines = decode_captions([], "1", accept="application/x-ndjson")
    assert lines == replace(request, delivery="lines")


def test_speakers_are_bounded() -> None:
    many = [(f"speaker.{n}", "heart") for n in range(257)]
    for query, param in (
        (many, "speaker."),
        ([("speaker.", "x")], "speaker."),
        ([("speaker.B", "x"), ("speaker.A", "")], "speaker.A"),
        ([("speaker." + "A" * 129, "x")], "speaker." + "A" * 64),
    ):
        with pytest.raises(InvalidParameter) as caught:
            decode_captions(query, "")
        assert caught.value.param == param
    assert decode_captions(many[:256], "").start.cues.speakers["255"] == "heart"
