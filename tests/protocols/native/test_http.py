import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed, RequestError
from streamer.protocols.base import RemoteProtocolError, SpeechRequest
from streamer.protocols.native import (
    NDJSON,
    LineDecoder,
    LineEncoder,
    decode_speech,
    decode_voices,
    encode_speech,
    encode_voices,
)
from streamer.types import (
    Audio,
    AudioFormat,
    Capabilities,
    Done,
    Event,
    Failed,
    OptionsUpdate,
    Packet,
    SegmentStarted,
    Start,
    Started,
    Voice,
    Word,
    Words,
)
from tests.protocols import strategies as made

UTTERANCE: list[Event] = [
    Started(
        "speech", AudioFormat("mp3", "mp3", 24000, 1, 48000), "audio/mpeg", b"", 1105, "v", "e", 0
    ),
    SegmentStarted("speech", 0, "Hi there.", 0, 0, "end"),
    Words("speech", (Word("Hi", 0, 2400, 0), Word("there", 2400, 7201, 3)), "model"),
    Audio("speech", Packet(b"\xff\xfb\n\n{}", -1105, 576), first=True),
    Audio("speech", Packet(b"\xff\xfb", -529, 576), last=True),
    Done("speech", "end", 7201, 300.042, 9, 12.5, "e"),
]


@given(made.speech_requests)
def test_a_request_is_read_back(request: SpeechRequest) -> None:
    assert decode_speech(encode_speech(request)) == request


@pytest.mark.parametrize(
    ("codec", "container"),
    [
        (None, "ogg"),
        ("opus", "ogg"),
        ("mp3", "mp3"),
        ("aac", "adts"),
        ("flac", "flac"),
        ("pcm_s16le", "wav"),
        ("pcm_mulaw", "wav"),
        ("of_an_outsider", "none"),
    ],
)
def test_a_response_is_a_file_unless_asked_otherwise(codec: str | None, container: str) -> None:
    body = {"text": "Hi.", "audio": {"codec": codec}}
    assert decode_speech(json.dumps(body).encode()).start.audio.container == container

    body["audio"]["container"] = "none"  # type: ignore[index]
    assert decode_speech(json.dumps(body).encode()).start.audio.container == "none"


def test_the_least_request_is_a_text() -> None:
    assert decode_speech(b'{"text":"Hi."}', context="r-1") == SpeechRequest(
        Start("r-1", audio=AudioFormat("opus", "ogg")), "Hi."
    )


def test_lines_are_asked_for_by_accept_or_by_delivery() -> None:
    assert decode_speech(b'{"text":"Hi."}', accept=NDJSON).delivery == "lines"
    assert decode_speech(b'{"text":"Hi.","delivery":"lines"}').delivery == "lines"
    assert decode_speech(b'{"text":"Hi.","delivery":"audio"}', accept=NDJSON).delivery == "audio"
    assert decode_speech(b'{"text":"Hi."}', accept="*/*").delivery == "audio"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_message", None),
        (b"\xff", "invalid_message", None),
        (b'{"text":"\xff"}', "invalid_message", None),
        (b'"text"', "invalid_message", None),
        (b"{}", "invalid_parameter", "text"),
        (b'{"text":""}', "invalid_parameter", "text"),
        (b'{"text":"a","audio":{"codec":5}}', "invalid_parameter", "audio.codec"),
        (b'{"text":"a","audio":{"transport":"json"}}', "unknown_parameter", "audio.transport"),
        (b'{"text":"a","pacing":{"lead_ms":100}}', "unknown_parameter", "pacing"),
        (b'{"text":"a","context":"x"}', "unknown_parameter", "context"),
        (b'{"text":"a","type":"start"}', "unknown_parameter", "type"),
        (b'{"text":"a","delivery":"sse"}', "invalid_parameter", "delivery"),
        (b'{"text":"a","speed":0}', "invalid_parameter", "speed"),
    ],
)
def test_a_bad_request_names_the_parameter(body: bytes, code: str, param: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        decode_speech(body)

    assert (caught.value.code, caught.value.param) == (code, param)


@given(st.integers(1, 40))
def test_lines_are_read_back_however_they_are_cut(size: int) -> None:
    encoder, decoder = LineEncoder(), LineDecoder()
    stream = b"".join(encoder.push(event) for event in UTTERANCE)

    events = [e for i in range(0, len(stream), size) for e in decoder.push(stream[i : i + size])]

    assert events + decoder.flush() == UTTERANCE


def test_a_line_is_one_json_object_and_sound_is_base64() -> None:
    encoder = LineEncoder()
    lines = [encoder.push(event) for event in UTTERANCE]

    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds == ["started", "segment", "words", "audio", "audio", "done"]
    assert json.loads(lines[0])["audio"]["transport"] == "json"


def test_a_failure_is_the_last_line() -> None:
    failed = Failed(EngineFailed("out of breath"), "speech")

    assert LineDecoder().push(LineEncoder().push(failed)) == [failed]


def test_what_is_left_without_newline_is_read_at_the_end() -> None:
    decoder = LineDecoder()
    line = LineEncoder().push(Failed(EngineFailed("x"), "speech"))

    assert decoder.push(line[:-1]) == []
    assert len(decoder.flush()) == 1
    assert decoder.flush() == []


def test_voices_are_read_back_without_what_they_are_made_of() -> None:
    voices = [
        Voice("heart", "hibari", "Heart", ("en-US", "en"), "female", "warm"),
        Voice("tone", "tone"),
    ]

    assert decode_voices(encode_voices(voices)) == voices
    told = json.loads(encode_voices(voices, {"Cherry": "heart"}))
    assert told["aliases"] == {"Cherry": "heart"}
    assert decode_voices(json.dumps(told).encode()) == voices
    told = json.loads(encode_voices(voices, engines={"hibari": Capabilities(clone=True)}))
    assert told["engines"] == {"hibari": {"instructions": False, "clone": True, "design": False}}
    assert decode_voices(b'{"voices":[{"id":"a","engine":"b","age":7}]}') == [Voice("a", "b")]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"voices":5}', b"\xff"])
def test_what_is_no_list_of_voices_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_voices(body)


def test_options_are_those_of_start() -> None:
    body = b'{"text":"a","voice":"v","speed":2,"cut":"none","lexicon":{"a":"b"},"strict":true}'

    assert decode_speech(body).start == Start(
        "speech",
        OptionsUpdate(voice="v", speed=2.0),
        AudioFormat("opus", "ogg"),
        cut="none",
        lexicon={"a": "b"},
        strict=True,
    )
