import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EngineFailed
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.openai import EventDecoder, EventEncoder
from streamer.types import Audio, Done, Event, Failed, Mark, Packet, SegmentStarted

END = Done("speech", "end", 0, 0.0, 9, None, "")
"""All that the stream says of an end."""


def test_a_delta_is_byte_for_byte_what_clients_look_for() -> None:
    line = EventEncoder().push(Audio("speech", Packet(b"\x00\xff", 0, 480)))

    assert line == b'data: {"type":"speech.audio.delta","audio":"AP8="}\n\n'


def test_the_end_says_how_much_went_in() -> None:
    line = EventEncoder().push(Done("speech", "end", 24000, 1000.0, 9, 30.0, "hibari"))

    assert line.startswith(b"data: {")
    assert json.loads(line.removeprefix(b"data: ")) == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 9, "output_tokens": 0, "total_tokens": 9},
    }


@pytest.mark.parametrize(
    "event",
    [
        SegmentStarted("speech", 0, "Hi.", 0, 0, "end"),
        Mark("speech", "m", 0),
        Audio("speech", Packet(b"", 0, 0)),
    ],
)
def test_what_the_stream_has_no_word_for_is_left_out(event: Event) -> None:
    assert EventEncoder().push(event) == b""


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.integers(1, 30), st.booleans())
def test_the_stream_is_read_back_however_it_is_cut(
    packets: list[bytes], size: int, fails: bool
) -> None:
    said: list[Event] = [Audio("speech", Packet(data, 0, 0)) for data in packets]
    said.append(Failed(EngineFailed("out of breath"), "speech") if fails else END)
    encoder, decoder = EventEncoder(), EventDecoder()
    stream = b"".join(encoder.push(event) for event in said)

    heard = [e for i in range(0, len(stream), size) for e in decoder.push(stream[i : i + size])]

    assert heard + decoder.flush() == said


def test_other_servers_streams_are_understood() -> None:
    audio = base64.b64encode(b"abc").decode()
    stream = (
        b": keep-alive\r\n\r\nevent: speech.audio.delta\r\n"
        b'data: {"type":"speech.audio.delta","audio":"' + audio.encode() + b'"}\r\n\r\n'
        b'data: {"type":"speech.audio.mood"}\n\n'
        b'data: {"type":"speech.audio.done"}\n\ndata: [DONE]'
    )
    decoder = EventDecoder("c")

    assert decoder.push(stream) + decoder.flush() == [
        Audio("c", Packet(b"abc", 0, 0)),
        Done("c", "end", 0, 0.0, 0, None, ""),
    ]


@pytest.mark.parametrize("data", ["{", "5", '{"type":"speech.audio.delta","audio":"%"}'])
def test_a_garbled_stream_is_refused(data: str) -> None:
    with pytest.raises(RemoteProtocolError):
        EventDecoder().push(f"data: {data}\n".encode())
