import base64
import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import CODES, EngineFailed, InvalidParameter, RequestError
from streamer.protocols.base import SpeechRequest
from streamer.protocols.hosted import Call, Sound, SpokenWord, Utterance
from streamer.protocols.modelstream import (
    MODELS,
    VOICES,
    AnswerEncoder,
    Client,
    content_type,
    decode_request,
    encode_error,
    wants_json,
)
from streamer.types import (
    Audio,
    AudioFormat,
    Done,
    Event,
    OptionsUpdate,
    Packet,
    Start,
    Started,
    Word,
    Words,
)
from tests.protocols.conversations import Line, body_of, fits, note, pairs

SERVED = pairs("modelstream", client=False)
BEACH = (
    "In this picture, a woman and a dog are playing on the beach. The background features waves lapping"
    " at the shore, and the sky is a bit pale—it should be sunrise or sunset. If you'd like to know"
    " anything else, just ask!"
)
PCM = {"content-type": "audio/pcm; rate=24000; channels=1"}
JSON = {"content-type": "application/json"}

utterances = st.builds(
    Utterance,
    st.text(min_size=1, max_size=100).filter(lambda text: bool(text.strip())),
    st.text(min_size=1, max_size=40),
    language=st.sampled_from(["auto", "zh", "en"]),
    speed=st.floats(0.5, 2),
    pitch=st.floats(0.5, 2),
    volume=st.floats(0.1, 2),
    sample_rate=st.sampled_from([16000, 24000]),
    timestamps=st.booleans(),
)


def decoded(*, strict: bool = False, **fields: Any) -> SpeechRequest:
    return decode_request(json.dumps({"input": "Hi.", **fields}).encode(), strict=strict)


def asked(**changes: Any) -> Call:
    return Client().create(Utterance("Hi.", "Cherry", **changes), MODELS[0])


def spoken(request: SpeechRequest, packets: list[bytes], *words: Word, lead_in: int = 0) -> bytes:
    """The answer in JSON."""
    encoder, rate = AnswerEncoder(request), request.start.audio.sample_rate
    audio = AudioFormat("pcm_s16le", "none", rate)
    events: list[Event] = [Started("speech", audio, "", b"", lead_in, "heart", "hibari", 0)]
    events += [Words("speech", words, "model")] if words else []
    events += [Audio("speech", Packet(data, 0, 1)) for data in packets]
    events.append(Done("speech", "end", 1, 1.0, 3, 1.0, "hibari"))
    return b"".join(encoder.push(event) for event in events)


@given(utterances, st.sampled_from(MODELS))
def test_the_server_understands_what_the_client_asks(utterance: Utterance, model: str) -> None:
    request = decode_request(Client().create(utterance, model).body)

    assert request == SpeechRequest(
        Start(
            "speech",
            OptionsUpdate(
                voice=utterance.voice,
                language=utterance.language,
                speed=utterance.speed,
                pitch=utterance.pitch,
                volume=utterance.volume,
            ),
            AudioFormat("pcm_s16le", "none", utterance.sample_rate),
            timestamps="word" if utterance.timestamps else "none",
        ),
        utterance.text,
    )


@given(utterances, st.lists(st.binary(max_size=20), max_size=5))
def test_the_client_understands_the_answer_in_json(
    utterance: Utterance, packets: list[bytes]
) -> None:
    call = Client().create(utterance, MODELS[0])
    rate = utterance.sample_rate
    packets.append(b"\x00\x00")

    body = spoken(decode_request(call.body), packets, Word("Hi", 0, rate // 2, 0))

    heard = Client().read(call, 200, JSON, body)
    assert isinstance(heard, Sound)
    assert heard.data == b"".join(packets)
    assert heard.words == ((SpokenWord("Hi", 0.0, 0.5),) if utterance.timestamps else ())


@given(st.sampled_from(sorted(CODES)), st.text(max_size=40))
def test_an_error_of_the_server_fails_the_clients_engine(code: str, message: str) -> None:
    status, body, headers = encode_error(CODES[code](message), "r-1")

    assert json.loads(body)["error"]["code"] == code
    with pytest.raises(EngineFailed):
        Client().read(asked(), status, headers, body)


def test_the_documents_curl_is_read_as_it_is_printed() -> None:
    (asked, _) = SERVED[0]

    assert decode_request(body_of(asked)) == SpeechRequest(
        Start(
            "speech",
            OptionsUpdate(voice="Cherry", language="auto", speed=1, pitch=1, volume=1),
            AudioFormat("mp3", "mp3", 24000),
            timestamps="none",
        ),
        BEACH,
    )


@pytest.mark.parametrize("pair", SERVED, ids=note)
def test_the_server_replays_the_transcript(pair: tuple[Line, Line]) -> None:
    asked, told = pair
    try:
        request = decode_request(body_of(asked), strict=asked.get("strict", False))
    except RequestError as error:
        status, body, headers = encode_error(error)
        assert (status, headers) == (told["status"], told["headers"])
        assert fits(json.loads(body), told["body"])
    else:
        assert told["status"] == 200
        assert content_type(request, json=False) == told["headers"]["content-type"]


@pytest.mark.parametrize("pair", pairs("modelstream", client=True), ids=note)
def test_the_client_replays_the_transcript(pair: tuple[Line, Line]) -> None:
    asked, told = pair
    call = Client().create(Utterance(**asked["utterance"]), MODELS[0])
    assert (call.method, call.path) == (asked["method"], asked["path"])
    assert json.loads(call.body) == asked["body"]
    answer = (call, told["status"], told["headers"])
    assert Client().streams(*answer) == told.get("streams")
    if "fails" in told:
        with pytest.raises(EngineFailed) as caught:
            Client().read(*answer, body_of(told))
        assert caught.value.retryable is told["fails"]["retryable"]
        assert caught.value.details.get("retry_after_s") == told["fails"].get("retry_after_s")
        return
    sound = Client().read(*answer, body_of(told))
    assert isinstance(sound, Sound)
    assert {
        "data": None if sound.data is None else sound.data.hex(),
        "url": sound.url,
        "content_type": sound.content_type,
        "words": [[word.text, word.start_s, word.end_s] for word in sound.words],
    } == {"data": None, "url": None, "content_type": "", "words": [], **told["sound"]}


@pytest.mark.parametrize("value", [16000, "16000"])
def test_a_rate_is_a_text_or_a_number(value: object) -> None:
    assert decoded(sample_rate=value).start.audio.sample_rate == 16000


@pytest.mark.parametrize(
    ("fields", "codec"),
    [
        ({}, "mp3"),
        ({"format": "pcm"}, "pcm_s16le"),
        ({"response_format": "pcm"}, "pcm_s16le"),
        ({"response_format": "mp3", "format": "mp3"}, "mp3"),
        ({"response_format": "pcm", "format": None}, "pcm_s16le"),
    ],
)
def test_a_format_has_two_names(fields: dict[str, Any], codec: str) -> None:
    assert decoded(**fields).start.audio.codec == codec


def test_the_text_has_two_names() -> None:
    assert decode_request(b'{"text":"Hi."}').text == "Hi."
    assert decode_request(b'{"text":"Hi.","input":"Hi."}').text == "Hi."


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": None}, "invalid_parameter", "input"),
        ({"input": ""}, "invalid_parameter", "input"),
        ({"input": " "}, "invalid_parameter", "input"),
        ({"input": None, "text": " "}, "invalid_parameter", "text"),
        ({"text": "Ho."}, "invalid_parameter", "text"),
        ({"format": "mp3", "response_format": "pcm"}, "invalid_parameter", "format"),
        ({"format": "wav"}, "invalid_parameter", "format"),
        ({"response_format": "opus"}, "invalid_parameter", "response_format"),
        ({"sample_rate": 48000}, "invalid_parameter", "sample_rate"),
        ({"sample_rate": True}, "invalid_parameter", "sample_rate"),
        ({"sample_rate": "24k"}, "invalid_parameter", "sample_rate"),
        ({"volume": 0.09}, "invalid_parameter", "volume"),
        ({"volume": 2.1}, "invalid_parameter", "volume"),
        ({"speed": 0.4}, "invalid_parameter", "speed"),
        ({"speed": 2.1}, "invalid_parameter", "speed"),
        ({"pitch": 0.4}, "invalid_parameter", "pitch"),
        ({"pitch": 2.1}, "invalid_parameter", "pitch"),
        ({"language_type": "German"}, "invalid_parameter", "language_type"),
        ({"enable_timestamp": "yes"}, "invalid_parameter", "enable_timestamp"),
        ({"voice": 5}, "invalid_parameter", "voice"),
        ({"seed": 5}, "unknown_parameter", "seed"),
    ],
)
def test_a_bad_request_names_the_parameter(fields: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        decoded(**fields)

    assert (caught.value.code, caught.value.param) == (code, param)


def test_strict_takes_the_documented_names_alone() -> None:
    for voice in VOICES:
        assert decoded(strict=True, voice=voice, model=MODELS[1]).start.options.voice == voice
    for name, value in (("voice", "heart"), ("model", "hibari")):
        fields: dict[str, Any] = {name: value}
        assert getattr(decoded(**fields).start.options, name) == value
        with pytest.raises(InvalidParameter) as caught:
            decoded(strict=True, **fields)
        assert caught.value.param == name


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("", False),
        ("*/*", False),
        ("audio/mpeg", False),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, */*;q=0.1", True),
        ("application/json, text/plain, */*", False),
        ("application/json;q=0.5, audio/*", False),
        ("application/json;q=high", False),
        ("application/octet-stream", False),
        ("application/*", True),
        ("text/html", False),
    ],
)
def test_json_is_for_those_that_like_it_better(accept: str, json: bool) -> None:
    assert wants_json(accept) is json


def test_the_answer_in_json_is_the_documented_string() -> None:
    body = spoken(decoded(), [b"ab", b"", b"cdefg", b"h"])

    assert body == b'"' + base64.b64encode(b"abcdefgh") + b'"'
    assert content_type(decoded(), json=True) == "application/json"


def test_times_count_from_the_start_of_the_file() -> None:
    request = decoded(enable_timestamp=True)

    body = spoken(request, [b"abc"], Word("Hi", 0, 12000, 0), lead_in=1200)

    assert json.loads(body) == {
        "audio": "YWJj",
        "format": "mp3",
        "sample_rate": 24000,
        "words": [{"text": "Hi", "start": 0.05, "end": 0.55}],
    }


def test_an_error_names_the_field_as_this_api_does() -> None:
    for ours, theirs in (("language", "language_type"), ("text", "text"), ("voice", "voice")):
        status, body, _ = encode_error(InvalidParameter("no", param=ours))
        assert (status, json.loads(body)["error"]["param"]) == (400, theirs)
        assert re.match(rb'{"error":{"message":"no","type":"invalid_request_error"', body)


def test_languages_that_it_has_no_name_for_are_found_out() -> None:
    for language, name in (("en-GB", "English"), ("zh", "Chinese"), ("de", "Auto")):
        assert json.loads(asked(language=language).body)["language_type"] == name


@pytest.mark.parametrize(
    ("headers", "type_"),
    [
        (PCM, PCM["content-type"]),
        ({"content-type": "audio/pcm"}, "audio/pcm; rate=16000; channels=1"),
        ({"content-type": "audio/mpeg"}, "audio/mpeg"),
        ({"content-type": "application/octet-stream"}, None),
        (JSON, None),
    ],
)
def test_sound_is_heard_as_it_comes_where_it_is_said_what_it_is(
    headers: dict[str, str], type_: str | None
) -> None:
    assert Client().streams(asked(sample_rate=16000), 200, headers) == type_
    assert Client().streams(asked(), 500, headers) is None


@given(st.binary(max_size=200), st.sampled_from([200, 201, 302, 400, 500]))
def test_any_answer_is_sound_or_a_typed_error(body: bytes, status: int) -> None:
    for headers in (JSON, PCM, {}, {"content-type": "application/octet-stream"}):
        with contextlib.suppress(EngineFailed):
            assert isinstance(Client().read(asked(), status, headers, body), Sound)


def test_a_server_without_keys_gets_none() -> None:
    assert Client().authorize("k") == {"authorization": "Bearer k"}
    assert Client().authorize("") == {}
