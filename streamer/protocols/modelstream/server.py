"""The server's half: requests in, sound or JSON or an error out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from streamer.errors import InvalidParameter, StreamerError
from streamer.protocols.base import SpeechRequest
from streamer.protocols.hosted import language_tag
from streamer.protocols.modelstream.messages import MODELS, RATES, VOICES, Request, pcm_type
from streamer.protocols.native.errors import dump
from streamer.protocols.openai import errors as openai
from streamer.protocols.strict import Schema
from streamer.types import Audio, AudioFormat, Done, Event, OptionsUpdate, Start, Started, Word
from streamer.types import Words as WordsEvent

_CODECS: Mapping[str, tuple[str, str]] = {"mp3": ("mp3", "mp3"), "pcm": ("pcm_s16le", "none")}
_PARAMS = {"language": "language_type"}
"""This API's names of what our errors name, where they differ; `text` is one of its own."""

_REQUEST: Schema[Request] = Schema(Request)


def decode_request(body: bytes, *, strict: bool = False, context: str = "speech") -> SpeechRequest:
    """A request body; `strict` takes the documented models and voices only. Raises `InvalidMessage`,
    `UnknownParameter` or `InvalidParameter`, whose `param` are this API's names."""
    request = _REQUEST.decode(body)
    if strict:
        _check("model", request.model, MODELS)
        _check("voice", request.voice, VOICES)
    text = _either("input", request.input, "text", request.text)
    if text is None:
        raise InvalidParameter("input (or text) is missing", param="input")
    if not text.strip():
        name = "text" if request.input is None else "input"
        raise InvalidParameter(f"{name} holds nothing to say", param=name)
    form = _either("response_format", request.response_format, "format", request.format) or "mp3"
    options = OptionsUpdate(
        voice=request.voice,
        model=None if request.model in MODELS else request.model,
        language=language_tag(request.language_type or "Auto"),
        speed=request.speed,
        pitch=request.pitch,
        volume=request.volume,
    )
    audio = AudioFormat(*_CODECS[form], sample_rate=int(request.sample_rate or RATES[0]))
    times: Literal["word", "none"] = "word" if request.enable_timestamp else "none"
    return SpeechRequest(Start(context, options, audio, timestamps=times), text)


def _check(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise InvalidParameter(f"{name} must be one of {', '.join(known)}", param=name)


def _either(name: str, value: Any, other: str, same: Any) -> Any:
    """The value of a field that has two names."""
    if value is not None and same is not None and value != same:
        raise InvalidParameter(f"{name} and {other} differ: send one of them", param=other)
    return same if value is None else value


def wants_json(accept: str) -> bool:
    """Whether an `Accept` header likes JSON better than sound (RFC 9110, 12.5.1)."""
    likes: dict[str, float] = {}
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        weight = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
        try:
            likes[kind] = float(weight)
        except ValueError:
            likes[kind] = 0.0
    rest = likes.get("*/*", 0.0)
    audio = max(
        (q for kind, q in likes.items() if kind.startswith("audio/")),
        default=likes.get("application/octet-stream", rest),
    )
    return likes.get("application/json", likes.get("application/*", rest)) > audio


def content_type(request: SpeechRequest, *, json: bool) -> str:
    """Of the answer."""
    if json:
        return "application/json"
    audio = request.start.audio
    return "audio/mpeg" if audio.codec == "mp3" else pcm_type(audio.sample_rate or RATES[0])


class AnswerEncoder:
    """Events of one utterance to an answer in JSON, piece by piece: the documented string, base64 of the
    file; where word times are asked for an object that has them behind it. Times count from the start
    of the file, in seconds."""

    def __init__(self, request: SpeechRequest) -> None:
        audio = request.start.audio
        self._words: list[dict[str, Any]] | None = None
        self._head, self._tail = b'"', b'"'
        self._rest = b""
        self._rate = audio.sample_rate or RATES[0]
        self._lead_in = 0
        if request.start.timestamps != "none":
            form = "mp3" if audio.codec == "mp3" else "pcm"
            fields = msgspec.json.encode({"format": form, "sample_rate": self._rate})
            self._words = []
            self._head = fields[:-1] + b',"audio":"'

    def push(self, event: Event) -> bytes:
        match event:
            case Started():
                self._lead_in = event.lead_in
            case Audio():
                data = self._rest + event.packet.data
                whole = len(data) - len(data) % 3
                self._rest = data[whole:]
                return self._opened(base64.b64encode(data[:whole]))
            case WordsEvent() if self._words is not None:
                self._words += [self._told(word) for word in event.words]
            case Done():
                end = b'"'
                if self._words is not None:
                    end += b',"words":' + msgspec.json.encode(self._words) + b"}"
                return self._opened(base64.b64encode(self._rest) + end)
        return b""

    def _opened(self, piece: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + piece

    def _told(self, word: Word) -> dict[str, Any]:
        start, end = (round((at + self._lead_in) / self._rate, 3) for at in (word.start, word.end))
        return {"text": word.text, "start": start, "end": end}


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer: status, body, headers in lower case. OpenAI's form: ModelStream documents none for
    this model, and OpenAI's names for its others."""
    status, _, headers = openai.encode_error(error, request_id)
    fields = openai.error_fields(error)
    fields["param"] = _PARAMS.get(error.param or "", error.param)
    return status, dump({"error": fields}), headers
