"""The OpenAI dialect of `POST /v1/audio/speech` and `GET /v1/models`: pure functions, both roles.

Server-sent events are in `openai_events`. docs/openai.md is the specification.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidMessage, InvalidParameter
from streamer.protocols.base import RemoteProtocolError, SpeechRequest
from streamer.protocols.openai.errors import decode_error, encode_error
from streamer.protocols.openai.events import EventDecoder, EventEncoder
from streamer.protocols.strict import Schema
from streamer.types import AudioFormat, OptionsUpdate, Start

__all__ = [
    "ANY_ENGINE",
    "BUILTIN_VOICES",
    "CONTENT_TYPES",
    "FORMATS",
    "LOSSY",
    "EventDecoder",
    "EventEncoder",
    "Request",
    "content_type",
    "decode_error",
    "decode_models",
    "decode_request",
    "encode_error",
    "encode_model",
    "encode_models",
    "encode_request",
]

LOSSY: Mapping[str, str] = {
    "Start.context": "given by the server",
    "Start.options.model": "OpenAI's own model names mean any engine; None is said as tts-1",
    "Start.options.voice": "OpenAI's own voice names mean the default voice where none is called so; "
    "None is said as alloy",
    "Start.options.language, pitch, volume, seed": "have no word here",
    "Start.audio": "one of the six of FORMATS",
    "Start.timestamps, cut, lexicon, strict, trace, transport, lead_ms": "have no word here",
    "Event": "the stream says packets' bytes, the end and an error: no times, words, marks or formats",
}
"""What this dialect cannot say of our types, and what becomes of it."""

BUILTIN_VOICES = frozenset(
    (
        *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
        *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
    )
)
"""Names that clients of OpenAI insist on."""

ANY_ENGINE = frozenset(["tts-1", "tts-1-1106", "tts-1-hd", "tts-1-hd-1106", "gpt-4o-mini-tts"])
"""Models of OpenAI; a dated `gpt-4o-mini-tts-2025-12-15` counts too. Here they mean any engine."""

PCM_RATE = 24000
"""Hz of OpenAI's `pcm`, and of the `wav` beside it."""

FORMATS: Mapping[str, AudioFormat] = {
    "mp3": AudioFormat("mp3", "mp3"),
    "opus": AudioFormat("opus", "ogg"),
    "aac": AudioFormat("aac", "adts"),
    "flac": AudioFormat("flac", "flac"),
    "wav": AudioFormat("pcm_s16le", "wav", PCM_RATE),
    "pcm": AudioFormat("pcm_s16le", "none", PCM_RATE),
}
"""`response_format` and what it stands for."""

CONTENT_TYPES: Mapping[str, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": f"audio/pcm; rate={PCM_RATE}; channels=1",
}
"""Clients pick their decoder by these."""

Format: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]


class _Custom(Struct, forbid_unknown_fields=True):
    id: Name


class Request(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body. None is the same as leaving a field out. `model` and `voice`, which OpenAI requires, may
    be left out too."""

    input: Annotated[str, Meta(min_length=1)]
    model: Name | None = None
    voice: _Custom | Name | None = None
    instructions: Annotated[str, Meta(max_length=4096)] | None = None
    response_format: Format | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None
    stream_format: Literal["audio", "sse"] | None = None


_REQUEST: Schema[Request] = Schema(Request)


def decode_request(
    body: bytes, *, known: Container[str] = (), context: str = "speech"
) -> SpeechRequest:
    """A request body. `known` holds the voices (and aliases) there are: one of `BUILTIN_VOICES` that is
    not among them means the default voice. Raises `InvalidMessage`, `UnknownParameter` or
    `InvalidParameter`, whose `param` are OpenAI's names."""
    request = _REQUEST.decode(body)
    if not request.input.strip():
        raise InvalidParameter("input holds nothing to say", param="input")
    voice = request.voice.id if isinstance(request.voice, _Custom) else request.voice
    if voice in BUILTIN_VOICES and voice not in known:
        voice = None
    options = OptionsUpdate(
        voice=voice,
        model=None if _means_any(request.model) else request.model,
        instructions=request.instructions,
        speed=request.speed,
    )
    audio = FORMATS[request.response_format or "mp3"]
    start = Start(context, options, audio, timestamps="none")
    return SpeechRequest(start, request.input, "sse" if request.stream_format == "sse" else "audio")


def _means_any(model: str | None) -> bool:
    return model is None or model in ANY_ENGINE or model.startswith("gpt-4o-mini-tts-")


def encode_request(request: SpeechRequest) -> bytes:
    """The body that asks for it. Raises `InvalidParameter` for a format that has no name here."""
    options = request.start.options
    message = Request(
        input=request.text,
        model=options.model or "tts-1",
        voice=options.voice or "alloy",
        instructions=options.instructions,
        response_format=_format_of(request.start.audio),
        speed=options.speed,
        stream_format="sse" if request.delivery == "sse" else None,
    )
    return msgspec.json.encode(message)


def _format_of(audio: AudioFormat) -> Any:
    for name, format_ in FORMATS.items():
        if audio == format_:
            return name
    raise InvalidParameter(f"no response_format is {audio}", param="response_format")


def content_type(request: SpeechRequest) -> str:
    """The content type of the answer."""
    if request.delivery == "sse":
        return "text/event-stream"
    return CONTENT_TYPES[_format_of(request.start.audio)]


# Models


class _Model(Struct, kw_only=True):
    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "streamer"


class _Models(Struct, kw_only=True):
    object: str = "list"
    data: list[_Model]


def encode_models(names: Iterable[str]) -> bytes:
    """The body of `GET /v1/models`."""
    return msgspec.json.encode(_Models(data=[_Model(id=name) for name in names]))


def encode_model(name: str) -> bytes:
    """The body of `GET /v1/models/{name}`."""
    return msgspec.json.encode(_Model(id=name))


def decode_models(body: bytes) -> list[str]:
    """Raises `RemoteProtocolError` for what is no list of models."""
    try:
        return [model.id for model in msgspec.json.decode(body, type=_Models).data]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RemoteProtocolError(InvalidMessage("not a list of models"), fatal=True) from None
