"""Native HTTP as plain functions, both roles: speech requests and JSON lines.

Knows no web framework; errors are in `native.errors`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streamer.protocols.base import SpeechRequest
from streamer.protocols.native import messages as wire
from streamer.protocols.native.commands import from_format, to_start, utterance_of
from streamer.protocols.native.events import EventEncoder
from streamer.protocols.native.reader import EventDecoder
from streamer.protocols.strict import Schema
from streamer.types import Event, Start

NDJSON = "application/x-ndjson"
"""Content type of `delivery: "lines"`."""

CONTAINERS = {
    "opus": "ogg",
    "mp3": "mp3",
    "aac": "adts",
    "flac": "flac",
    "pcm_s16le": "wav",
    "pcm_f32le": "wav",
    "pcm_mulaw": "wav",
    "pcm_alaw": "wav",
}
"""Default container of a response: what a player opens as a file. A codec of others keeps "none"."""


class WholeUtterance(wire.Utterance, kw_only=True):
    """`start` without context, transport and pacing, plus the text."""

    text: Annotated[str, Meta(min_length=1)]
    audio: wire.Sound | None = None


class _Speech(WholeUtterance, kw_only=True):
    delivery: Literal["audio", "lines"] | None = None


_SPEECH: Schema[_Speech] = Schema(_Speech)


def decode_speech(body: bytes, *, accept: str = "", context: str = "speech") -> SpeechRequest:
    """A request body. `accept` (the header) asks for lines where `delivery` says nothing; `context`
    names the utterance. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _SPEECH.decode(body)
    asked: Literal["audio", "lines"] = "lines" if NDJSON in accept.lower() else "audio"
    start = start_of(message, context)
    return SpeechRequest(start, message.text, message.delivery or asked)


def encode_speech(request: SpeechRequest) -> bytes:
    """The body that asks for it. A container is always stated, since the default depends on the codec."""
    message = _Speech(
        delivery="lines" if request.delivery == "lines" else None,
        **whole_utterance_of(request.start, request.text),
    )
    return msgspec.json.encode(message)


def start_of(message: WholeUtterance, context: str) -> Start:
    """How to speak it; a file unless asked otherwise."""
    sound = message.audio or wire.Sound()
    return to_start(
        message,
        context=context,
        sound=sound,
        container=CONTAINERS.get(sound.codec or "opus", "none"),
    )


def whole_utterance_of(start: Start, text: str) -> dict[str, Any]:
    """The fields of a `WholeUtterance` that say this."""
    sound = from_format(start.audio, wire.Sound)
    sound.container = start.audio.container
    return {"text": text, "audio": sound, **utterance_of(start)}


class LineEncoder:
    """Events of one utterance to JSON lines: the messages of the WebSocket under `transport: "json"`."""

    def __init__(self) -> None:
        self._encoder = EventEncoder(default="json")

    def push(self, event: Event) -> bytes:
        message = self._encoder.encode(event)
        assert isinstance(message, str)
        return message.encode() + b"\n"


class LineDecoder:
    """JSON lines, cut anywhere, to Events."""

    def __init__(self) -> None:
        self._decoder = EventDecoder()
        self._rest = b""

    def push(self, data: bytes) -> list[Event]:
        """Raises `RemoteProtocolError`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line)]

    def flush(self) -> list[Event]:
        rest, self._rest = self._rest, b""
        return self._line(rest)

    def _line(self, line: bytes) -> list[Event]:
        return self._decoder.decode(line.decode("utf-8", "replace")) if line.strip() else []
