import base64
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import types
from streamer.errors import (
    CODES,
    Draining,
    EngineFailed,
    InvalidMessage,
    InvalidParameter,
    KeyRevoked,
    StreamerError,
    Unauthenticated,
    UnknownParameter,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.protocols.base import Close, Handshake, Refused, RemoteProtocolError
from streamer.protocols.native import Client, Server, key_of, subprotocols_for
from streamer.types import (
    Audio,
    AudioFormat,
    Cancel,
    Done,
    Failed,
    Idle,
    Interrupted,
    Mark,
    Packet,
    Start,
    Started,
    Text,
    Word,
    Words,
)
from tests.protocols import strategies as made


def started(context: str = "a", rate: int = 24000) -> Started:
    audio = AudioFormat("opus", "none", rate, 1, 24000, 20.0)
    return Started(context, audio, "audio/ogg", b"OpusHead", 312, "heart", "hibari", 7)


def done(context: str = "a") -> Done:
    return Done(context, "end", 24000, 1000.0, 5, 40.0, "hibari")


def wire(server: Server, event: types.Event) -> dict[str, object]:
    (message,) = server.send(event)
    assert isinstance(message, str)
    fields = json.loads(message)
    assert isinstance(fields, dict)
    return fields


def refusal(message: str | bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        Server().receive(message)
    return caught.value


# The law.


@given(made.commands)
def test_the_server_half_reads_every_command_that_the_client_half_says(
    command: types.Command,
) -> None:
    (message,) = Client().send(command)

    assert Server().receive(message) == [command]


@given(st.data())
def test_the_client_half_reads_every_event_that_the_server_half_says(data: st.DataObject) -> None:
    server, client = Server(), Client()
    context, rate = data.draw(made.contexts), data.draw(made.rates)
    transport: types.Transport = data.draw(st.sampled_from(["binary", "json"]))
    (start,) = Client().send(Start(context, transport=transport))
    server.receive(start)
    said: list[types.Event] = [
        data.draw(made.ready),
        data.draw(made.resumed),
        data.draw(made.started(context, rate)),
    ]
    said.append(data.draw(made.within(context)))

    for event in said:
        (message,) = server.send(event)
        assert isinstance(message, str | bytes)
        assert client.receive(message) == [event]


@given(made.contexts, st.data())
def test_a_context_that_never_started_can_end(context: str, data: st.DataObject) -> None:
    event = data.draw(made.endings(context))
    if isinstance(event, Interrupted):
        event = Interrupted(context, "", (), event.unspoken_text, 0, event.clock)
    (message,) = Server().send(event)

    assert isinstance(message, str)
    assert json.loads(message)["sequence"] == 0
    assert Client().receive(message) == [event]


@given(made.errors)
def test_an_error_without_context_is_told_and_closes(error: StreamerError) -> None:
    message, close = Server().send(Failed(error))

    assert isinstance(message, str)
    assert Client().receive(message) == [Failed(error)]
    assert isinstance(close, Close)
    assert close.reason == error.code


# What a client sends.


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("", "invalid_message", None),
        ("speak!", "invalid_message", None),
        ("[]", "invalid_message", None),
        ('"start"', "invalid_message", None),
        ('{"type":"start","context":"a","speed":NaN}', "invalid_message", None),
        ('{"type":"text","context":"a","text":"\\ud800"}', "invalid_message", None),
        ('{"type":"text","context":"a","text":"\ud800"}', "invalid_message", None),
        ('{"type":"flush","context":"a"} trailing', "invalid_message", None),
        ('{"a":' * 100_000, "invalid_message", None),
        ('{"type":"flush","context":' + "[" * 100_000, "invalid_message", None),
        (b'{"type":"flush","context":"a"}', "invalid_message", None),
        ("{}", "invalid_message", "type"),
        ('{"type":7}', "invalid_message", "type"),
        ('{"type":"shout"}', "unknown_parameter", "type"),
        ('{"type":"start"}', "invalid_parameter", "context"),
        ('{"type":"start","context":""}', "invalid_parameter", "context"),
        ('{"type":"start","context":"' + "x" * 65 + '"}', "invalid_parameter", "context"),
        ('{"type":"cancel","context":9}', "invalid_parameter", "context"),
        ('{"type":"interrupt","played_ms":-1}', "invalid_parameter", "played_ms"),
    ],
)
def test_a_bad_message_of_no_context_ends_the_connection(
    message: str | bytes, code: str, param: str | None
) -> None:
    refused = refusal(message)

    assert (refused.error.code, refused.error.param) == (code, param)
    assert refused.fatal
    assert refused.context is None


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"type": "shout"}, "unknown_parameter", "type"),
        ({"type": "start", "voise": "heart"}, "unknown_parameter", "voise"),
        ({"type": "start", "audio": {"rate": 8000}}, "unknown_parameter", "audio.rate"),
        ({"type": "start", "pacing": {"ms": 1}}, "unknown_parameter", "pacing.ms"),
        ({"type": "flush", "text": "a"}, "unknown_parameter", "text"),
        ({"type": "start", "speed": 4.01}, "invalid_parameter", "speed"),
        ({"type": "start", "speed": "fast"}, "invalid_parameter", "speed"),
        ({"type": "start", "speed": True}, "invalid_parameter", "speed"),
        ({"type": "start", "pitch": 0.49}, "invalid_parameter", "pitch"),
        ({"type": "start", "volume": 2.1}, "invalid_parameter", "volume"),
        ({"type": "start", "seed": -1}, "invalid_parameter", "seed"),
        ({"type": "start", "seed": 10**30}, "invalid_parameter", "seed"),
        ({"type": "start", "language": "en_GB"}, "invalid_parameter", "language"),
        ({"type": "start", "language": "en\n"}, "invalid_parameter", "language"),
        ({"type": "start", "timestamps": "phoneme"}, "invalid_parameter", "timestamps"),
        ({"type": "start", "cut": 3}, "invalid_parameter", "cut"),
        ({"type": "start", "audio": "opus"}, "invalid_parameter", "audio"),
        ({"type": "start", "audio": {"codec": 1}}, "invalid_parameter", "audio.codec"),
        ({"type": "start", "audio": {"channels": 3}}, "invalid_parameter", "audio.channels"),
        ({"type": "start", "audio": {"frame_ms": 0}}, "invalid_parameter", "audio.frame_ms"),
        ({"type": "start", "audio": {"transport": "ip"}}, "invalid_parameter", "audio.transport"),
        ({"type": "start", "pacing": {"lead_ms": 5}}, "invalid_parameter", "pacing.lead_ms"),
        ({"type": "start", "lexicon": {"": "x"}}, "invalid_parameter", "lexicon"),
        ({"type": "start", "lexicon": {"a": 1}}, "invalid_parameter", "lexicon"),
        ({"type": "start", "input": "vtt"}, "invalid_parameter", "input"),
        ({"type": "start", "captions": 1}, "invalid_parameter", "captions"),
        ({"type": "start", "channel": "hall 1"}, "invalid_parameter", "channel"),
        ({"type": "start", "channel": "hall\n"}, "invalid_parameter", "channel"),
        ({"type": "start", "channel": "x" * 65}, "invalid_parameter", "channel"),
        ({"type": "start", "cues": {"origin": 0}}, "unknown_parameter", "cues.origin"),
        ({"type": "start", "cues": {"origin_ms": "last"}}, "invalid_parameter", "cues.origin_ms"),
        ({"type": "start", "cues": {"max_rate": 0.9}}, "invalid_parameter", "cues.max_rate"),
        ({"type": "start", "cues": {"max_late_ms": -1}}, "invalid_parameter", "cues.max_late_ms"),
        ({"type": "start", "cues": {"overrun": "drop"}}, "invalid_parameter", "cues.overrun"),
        ({"type": "start", "cues": {"speakers": {"": "a"}}}, "invalid_parameter", "cues.speakers"),
        ({"type": "cue"}, "invalid_parameter", "text"),
        ({"type": "cue", "text": "x", "start_ms": -1}, "invalid_parameter", "start_ms"),
        ({"type": "cue", "text": "x", "end_ms": "2"}, "invalid_parameter", "end_ms"),
        ({"type": "cue", "text": "x", "id": "i" * 257}, "invalid_parameter", "id"),
        ({"type": "cue", "text": "x", "speed": 2}, "unknown_parameter", "speed"),
        ({"type": "subscribe"}, "invalid_parameter", "channel"),
        ({"type": "subscribe", "channel": ""}, "invalid_parameter", "channel"),
        ({"type": "subscribe", "channel": "a", "back_ms": -1}, "invalid_parameter", "back_ms"),
        ({"type": "subscribe", "channel": "a", "voice": "heart"}, "unknown_parameter", "voice"),
        ({"type": "text"}, "invalid_parameter", "text"),
        ({"type": "text", "text": 5}, "invalid_parameter", "text"),
        ({"type": "text", "text": "x", "at": -1}, "invalid_parameter", "at"),
        ({"type": "text", "text": "x", "speed": 9}, "invalid_parameter", "speed"),
        ({"type": "played"}, "invalid_parameter", "played_ms"),
        ({"type": "report", "underruns": 1.5}, "invalid_parameter", "underruns"),
    ],
)
def test_a_bad_message_of_a_context_is_an_error_of_that_context(
    fields: dict[str, object], code: str, param: str
) -> None:
    refused = refusal(json.dumps({**fields, "context": "a"}))

    assert (refused.error.code, refused.error.param) == (code, param)
    assert refused.context == "a"
    assert not refused.fatal


def test_an_error_never_quotes_more_of_a_message_than_a_line() -> None:
    refused = refusal(json.dumps({"type": "start", "context": "a", "cut": "secret " * 5000}))
    assert len(refused.error.message) < 300

    refused = refusal(json.dumps({"type": "start", "context": "a", "secret" * 9000: 1}))
    assert len(refused.error.message) < 300
    assert len(refused.error.param or "") <= 64


def test_null_is_the_same_as_leaving_a_field_out() -> None:
    fields = ["voice", "speed", "audio", "pacing", "lexicon", "strict", "cut", "timestamps"]
    message = {"type": "start", "context": "a", **dict.fromkeys(fields)}

    assert Server().receive(json.dumps(message)) == [Start("a")]


def test_the_origin_is_a_time_or_that_of_the_first_cue() -> None:
    for said, meant in ((None, 0.0), (0, 0.0), (61000.5, 61000.5), ("first", None)):
        message = {"type": "start", "context": "a", "cues": {"origin_ms": said}}
        (start,) = Server().receive(json.dumps(message))
        assert isinstance(start, Start)
        assert start.cues == types.CueOptions(origin_ms=meant)


def test_a_listener_chooses_how_sound_travels_as_a_speaker_does() -> None:
    server = Server()
    audio = {"codec": "mp3", "transport": "json"}
    message = {"type": "subscribe", "context": "a", "channel": "hall", "audio": audio}
    assert server.receive(json.dumps(message)) == [
        types.Subscribe("a", "hall", AudioFormat("mp3"), transport="json")
    ]
    server.send(started("a"))
    assert isinstance(server.send(Audio("a", Packet(b"abc", 0, 480)))[0], str)


def test_interrupt_and_cancel_without_context_mean_all() -> None:
    server = Server()

    assert server.receive('{"type":"interrupt"}') == [types.Interrupt()]
    assert server.receive('{"type":"cancel"}') == [Cancel()]


def test_text_with_options_begins_with_them() -> None:
    message = '{"type":"text","context":"a","text":"Hi.","speed":1.5,"mark":"m","at":3}'

    assert Server().receive(message) == [
        Text("a", "Hi.", 3, "m", types.OptionsUpdate(speed=1.5)),
    ]


def test_the_client_half_refuses_to_say_a_key() -> None:
    with pytest.raises(UnsupportedParameter):
        Client().send(types.Authenticate("secret"))


def test_a_codec_of_no_name_is_handed_on_to_be_refused() -> None:
    message = '{"type":"start","context":"a","audio":{"codec":"","container":""}}'
    (start,) = Server().receive(message)
    assert isinstance(start, Start)
    assert (start.audio.codec, start.audio.container) == ("", "")


def test_ten_thousand_mangled_messages_are_each_a_command_or_a_typed_error() -> None:
    rng = random.Random(20261121)
    good = [
        '{"type":"start","context":"a","voice":"heart","audio":{"codec":"opus"},"speed":1.0}',
        '{"type":"text","context":"a","text":"Grüße, 世界 \\u2026","at":0,"mark":"m"}',
        '{"type":"interrupt","context":"a","played_ms":12.5}',
        '{"type":"start","context":"a","input":"captions","cues":{"origin_ms":"first"}}',
        '{"type":"cue","context":"a","id":"1","start_ms":1000,"end_ms":2e3,"text":"<v Ann>Hm."}',
        '{"type":"subscribe","context":"a","channel":"hall-1","back_ms":5000.0}',
        '{"type":"resume","session":"s","token":"t","received":{"a":3}}',
        '{"type":"report","context":"a","underruns":0,"drift_ppm":-3.0}',
    ]
    splinters = ["{", "}", '"', "null", "1e999", "-", "\x00", "\\ud800", "[" * 2000, '"type":', "é"]
    server, commands = Server(), 0
    refusals: list[RemoteProtocolError] = []
    for _ in range(10_000):
        message = rng.choice(good)
        for _ in range(rng.randrange(1, 4)):
            at, to = sorted(rng.choices(range(len(message) + 1), k=2))
            message = rng.choice(
                [
                    message[:at] + message[to:],
                    message[:at] + rng.choice(splinters) + message[at:],
                    message[:to] + message[at:],
                    message[:at] + chr(rng.randrange(1, 0x110000)) + message[at + 1 :],
                ]
            )
        try:
            (command,) = server.receive(message)
            commands += isinstance(command, Start | Text | types.Interrupt | types.Resume)
        except RemoteProtocolError as error:
            refusals.append(error)
    for refused in refusals:
        code, failed = refused.error.code, Failed(refused.error, refused.context)
        assert code in ("invalid_message", "unknown_parameter", "invalid_parameter")
        told, *closes = server.send(failed)
        assert isinstance(told, str)
        assert Client().receive(told) == [failed]
        assert closes == ([Close(4000, code)] if refused.fatal else [])

    assert commands > 100
    assert len(refusals) > 5000
    assert server.receive('{"type":"flush","context":"a"}') == [types.Flush("a")]


# What a server sends.


def test_every_message_of_a_context_has_its_next_sequence_number() -> None:
    server = Server()
    sequences = [
        wire(server, started("a"))["sequence"],
        wire(server, started("b"))["sequence"],
        wire(server, Words("a", (), "model"))["sequence"],
    ]
    (binary,) = server.send(Audio("a", Packet(b"x", 0, 480)))
    assert isinstance(binary, bytes)
    sequences += [
        int.from_bytes(binary[4:8], "big"),
        wire(server, Mark("a", "m", 0))["sequence"],
        wire(server, done("b"))["sequence"],
        wire(server, done("a"))["sequence"],
        wire(server, started("a"))["sequence"],
    ]

    assert sequences == [0, 0, 1, 2, 3, 1, 4, 0]


def test_a_stream_number_is_never_one_in_use() -> None:
    server = Server()
    streams = [wire(server, started(str(n)))["stream"] for n in range(5)]
    assert len(set(streams)) == 5

    server.send(done("3"))
    again = wire(server, started("6"))["stream"]
    assert again not in streams, "the number just given up rests"
    for n in range(65_536):
        server.send(done("6") if n else Failed(EngineFailed("x"), "6"))
        assert wire(server, started("6"))["stream"] not in {1, 2, 3, 5}


def test_json_transport_is_the_contexts_own_choice() -> None:
    server = Server()
    server.receive('{"type":"start","context":"a","audio":{"transport":"json"}}')
    server.receive('{"type":"start","context":"b"}')
    assert wire(server, started("a"))["audio"]["transport"] == "json"  # type: ignore[index]
    server.send(started("b"))

    assert wire(server, Audio("a", Packet(b"abc", -312, 480), first=True)) == {
        "type": "audio",
        "context": "a",
        "sequence": 1,
        "pts": -312,
        "duration": 480,
        "flags": 1,
        "data": base64.b64encode(b"abc").decode(),
    }
    assert isinstance(server.send(Audio("b", Packet(b"abc", 0, 480)))[0], bytes)


def test_the_choice_of_a_start_that_failed_does_not_stick_to_its_name() -> None:
    server = Server()
    server.receive('{"type":"start","context":"a","audio":{"transport":"json"}}')
    server.send(Failed(UnknownVoice("no such voice", param="voice"), "a"))
    server.receive('{"type":"text","context":"a","text":"Hi."}')
    server.send(started("a"))

    assert isinstance(server.send(Audio("a", Packet(b"abc", 0, 480)))[0], bytes)


def test_times_are_milliseconds_of_the_contexts_own_rate() -> None:
    server = Server()
    server.send(started("a", rate=44100))
    words = wire(server, Words("a", (Word("Hi", 44100, 66150, 0),), "model"))

    assert words["words"] == [{"text": "Hi", "start_ms": 1000.0, "end_ms": 1500.0, "offset": 0}]
    assert wire(server, Mark("a", "m", 1))["at_ms"] == 0.023


@pytest.mark.parametrize("event", [Audio("a", Packet(b"", 0, 0)), Words("a", (), "model")])
def test_nothing_can_be_said_of_a_context_that_has_ended(event: types.Event) -> None:
    server = Server()
    server.send(started("a"))
    server.send(done("a"))

    with pytest.raises(KeyError):
        server.send(event)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidMessage("x"), 4000),
        (InvalidParameter("x"), 4000),
        (KeyRevoked("x"), 1008),
        (Unauthenticated("x"), 1008),
        (Draining("x"), 1001),
        (CODES["message_limit"]("x"), 1009),
        (CODES["rate_limited"]("x"), 1013),
        (CODES["budget_spent"]("x"), 1008),
        (CODES["stalled_reader"]("x"), 4001),
        (CODES["internal_error"]("x"), 1011),
    ],
)
def test_the_close_code_says_what_kind_of_error_it_was(error: StreamerError, code: int) -> None:
    assert Server().send(Failed(error))[-1] == Close(code, error.code)


def test_a_silent_connection_is_closed_as_idle() -> None:
    message, close = Server().send(Idle())

    assert isinstance(message, str)
    assert json.loads(message)["code"] == "idle_timeout"
    assert close == Close(4002, "idle_timeout")


def test_details_of_an_error_never_hide_its_own_fields() -> None:
    error = InvalidParameter("bad", param="voice", type="x", context="evil", limit=object)
    fields = wire(Server(), Failed(error, "a"))

    assert fields["type"] == "error"
    assert fields["context"] == "a"
    assert isinstance(fields["limit"], str)


# What a client ignores.


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"weather","context":"a","sunny":true}',
        '{"type":"words","context":"never started","words":[],"timing":"model"}',
        b"\x02\x00\x00\x01",
        b"\x01\x00\x00\x63" + bytes(16) + b"packet of a stream nobody has",
    ],
)
def test_the_client_half_skips_what_it_does_not_know(message: str | bytes) -> None:
    assert Client().receive(message) == []


@pytest.mark.parametrize("ending", [done("a"), Failed(EngineFailed("x"), "a")])
def test_the_client_half_drops_the_sound_of_a_context_that_has_ended(ending: types.Event) -> None:
    server, client = Server(), Client()
    (start,) = server.send(started("a"))
    (sound,) = server.send(Audio("a", Packet(b"abc", 0, 480)))
    (end,) = server.send(ending)
    assert isinstance(start, str)
    assert isinstance(sound, bytes)
    assert isinstance(end, str)

    heard = [client.receive(message) for message in (start, sound, end, sound)]

    assert [len(events) for events in heard] == [1, 1, 1, 0]


def test_the_client_half_reads_past_fields_and_values_of_a_newer_server() -> None:
    client = Client()
    message = '{"type":"done","context":"a","reason":"bored","samples":1,"audio_ms":1.0,'
    (event,) = client.receive(message + '"characters":2,"engine":"x","mood":"blue"}')

    assert isinstance(event, Done)
    assert event.reason == "bored"  # type: ignore[comparison-overlap]


def test_an_unknown_error_code_is_still_an_error_with_its_message() -> None:
    (event,) = Client().receive('{"type":"error","code":"new_one","message":"hm","context":"a"}')

    assert isinstance(event, Failed)
    assert event.context == "a"
    assert event.error.message == "hm"


@pytest.mark.parametrize(
    "message",
    ["", "null", "[1]", '{"type":"ready"}', '{"type":"done","context":5}', b"", b"\x01\x00"],
)
def test_the_client_half_refuses_what_no_server_sends(message: str | bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Client().receive(message)


# The handshake.


def test_resume_is_a_flag_of_the_query() -> None:
    server = Server()
    assert server.open(Handshake("/v1/stream", {"resume": "1"})) == []
    assert server.resumable

    server = Server()
    assert server.open(Handshake("/v1/stream")) == []
    assert not server.resumable


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ({"resume": "yes"}, "invalid_parameter", "resume"),
        ({"key": "secret"}, "unknown_parameter", "key"),
    ],
)
def test_a_bad_query_is_refused_before_the_upgrade(
    query: dict[str, str], code: str, param: str
) -> None:
    with pytest.raises(Refused) as caught:
        Server().open(Handshake("/v1/stream", query))

    error = json.loads(caught.value.body)["error"]
    assert (caught.value.status, error["code"], error["param"]) == (400, code, param)
    assert "secret" not in caught.value.body.decode()


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer abc"}, "abc"),
        ({"authorization": "bearer  abc "}, "abc"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer "}, None),
        ({"x-api-key": "abc"}, "abc"),
        ({"authorization": "Bearer first", "x-api-key": "second"}, "first"),
        ({}, None),
    ],
)
def test_the_key_is_found_in_the_headers(headers: dict[str, str], key: str | None) -> None:
    assert key_of(Handshake("/", headers=headers)) == key


@given(st.text(min_size=1))
def test_the_key_is_found_in_the_second_subprotocol(key: str) -> None:
    offered = subprotocols_for(key)

    assert offered[0] == "streamer.v1"
    assert offered[1].replace("streamer.auth.", "").replace("-", "").replace("_", "").isalnum()
    assert key_of(Handshake("/", subprotocols=offered)) == key


@pytest.mark.parametrize("encoded", ["", "!!!", "a", "_w", "a+/b"])
def test_a_garbled_subprotocol_carries_no_key(encoded: str) -> None:
    offered = ["streamer.v1", "streamer.auth." + encoded]

    assert key_of(Handshake("/", subprotocols=offered)) is None


def test_without_a_key_only_the_protocol_is_offered() -> None:
    assert subprotocols_for(None) == ["streamer.v1"]


def test_unknown_parameters_are_named_as_such() -> None:
    assert isinstance(refusal('{"type":"end","context":"a","now":true}').error, UnknownParameter)
