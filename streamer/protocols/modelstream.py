"""ModelStream's dialect of `POST /v1/audio/speech`: pure functions, both roles.

docs/move-from/modelstream.md says how the gaps of its documents are settled.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidParameter, StreamerError
from streamer.protocols.base import SpeechRequest
from streamer.protocols.hosted import (
    Call,
    Sound,
    SpokenWord,
    Step,
    Traits,
    Utterance,
    failure,
    language_name,
    language_tag,
    message_in,
    sound_type,
    unreadable,
)
from streamer.protocols.native.errors import dump
from streamer.protocols.openai import errors as openai
from streamer.protocols.strict import Schema
from streamer.types import Audio, AudioFormat, Done, Event, OptionsUpdate, Start, Started, Word
from streamer.types import Words as WordsEvent

LOSSY: Mapping[str, str] = {
    "Start.context": "given by the server",
    "Start.options.model": "the two names of MODELS mean any engine; None is said as the first",
    "Start.options.instructions, seed": "have no word here",
    "Start.options.language": "Auto, Chinese or English",
    "Start.audio": "MP3 or bare 16 bit PCM, at one of two rates",
    "Start.timestamps": "words or none",
    "Start.cut, lexicon, strict, trace, transport, lead_ms": "have no word here",
    "Event": "sound, and word times behind it: no segments, marks or formats; an error cuts the body",
}
"""What this dialect cannot say of our types, and what becomes of it."""

PATH = "/v1/audio/speech"
MODELS = ("qwen3-tts-flash", "qwen3-tts-flash-2025-11-27")
"""The model and its snapshot. Here they mean any engine."""
VOICES = ("Cherry", "Chelsie", "Zhibao", "Bingjiao", "Stella", "Aiden")
RATES = (24000, 16000)
TEXT_LIMIT = 600
"""Characters of one request as we send it. Its documents state no limit; AI/ML API's, in front of the
same model, do."""

_CODECS: Mapping[str, tuple[str, str]] = {"mp3": ("mp3", "mp3"), "pcm": ("pcm_s16le", "none")}
_PARAMS = {"language": "language_type"}
"""This API's names of what our errors name, where they differ; `text` is one of its own."""
_SELF_DESCRIBING = (b"RIFF", b"ID3", b"OggS", b"fLaC")

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Text: TypeAlias = Annotated[str, Meta(min_length=1)]
Format: TypeAlias = Literal["mp3", "pcm"]
Ratio: TypeAlias = Annotated[float, Meta(ge=0.5, le=2)]


class Request(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The body. None is the same as leaving a field out. The table of the document says `text` and
    `format`, its curl `input` and `response_format`."""

    model: Name | None = None
    input: Text | None = None
    text: Text | None = None
    voice: Name | None = None
    language_type: Literal["Auto", "Chinese", "English"] | None = None
    response_format: Format | None = None
    format: Format | None = None
    sample_rate: Literal[16000, 24000, "16000", "24000"] | None = None
    volume: Annotated[float, Meta(ge=0.1, le=2)] | None = None
    speed: Ratio | None = None
    pitch: Ratio | None = None
    enable_timestamp: bool | None = None


_REQUEST: Schema[Request] = Schema(Request)


# The server's half


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
    return "audio/mpeg" if audio.codec == "mp3" else _pcm_type(audio.sample_rate or RATES[0])


def _pcm_type(rate: int) -> str:
    return f"audio/pcm; rate={rate}; channels=1"


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


# The client's half


class Client:
    """Drives ModelStream. Asks for PCM, which sounds as it comes; takes whatever it is given."""

    traits = Traits(
        url="https://api.modelstream.ai",
        model=MODELS[0],
        voices=VOICES,
        text_limit=TEXT_LIMIT,
        speed=(0.5, 2.0),
        pitch=(0.5, 2.0),
        volume=(0.1, 2.0),
        languages=("en", "zh"),
        words=True,
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"}

    def create(self, utterance: Utterance, model: str) -> Call:
        name = language_name(utterance.language)
        language: Any = name if name in ("Chinese", "English") else "Auto"
        rate: Any = utterance.sample_rate if utterance.sample_rate in RATES else RATES[0]
        request = Request(
            model=model,
            input=utterance.text,
            voice=utterance.voice,
            language_type=language,
            response_format="pcm",
            sample_rate=rate,
            volume=utterance.volume,
            speed=utterance.speed,
            pitch=utterance.pitch,
            enable_timestamp=utterance.timestamps,
        )
        headers = {"content-type": "application/json"}
        return Call("POST", PATH, headers, msgspec.json.encode(request))

    def streams(self, call: Call, status: int, headers: Mapping[str, str]) -> str | None:
        """Bytes of no said kind are read whole: they may be PCM, which does not tell what it is."""
        kind = sound_type(status, headers)
        return _named(kind, call) if kind else None

    def read(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Step:
        if not 200 <= status < 300:
            raise failure(status, headers, message_in(body))
        kind = sound_type(status, headers)
        if kind is not None:
            return Sound(body, content_type=_named(kind, call) or _type_of(body, call))
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            if _tells_itself(body):  # the document says JSON whatever comes
                return Sound(body)
            raise unreadable("neither sound nor JSON") from None
        return _sound_in(value, call, headers)


def _sound_in(value: Any, call: Call, headers: Mapping[str, str]) -> Sound:
    """The sound in an answer in JSON: a string, an object, or the model's own answer passed through."""
    words: Any = None
    if isinstance(value, dict):
        if value.get("error"):
            raise failure(500, headers, message_in(msgspec.json.encode(value)))
        inner = value.get("output")
        value = inner if isinstance(inner, dict) else value
        words = value.get("words")
        value = value.get("audio")
    if isinstance(value, dict):
        words = value.get("words", words)
        value = value.get("data") or value.get("url")
    if not isinstance(value, str) or not value:
        raise unreadable("no sound in it")
    if value.lower().startswith(("http://", "https://")):
        return Sound(url=value, words=_spoken(words))
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable("neither a URL nor base64") from None
    return Sound(data, content_type=_type_of(data, call), words=_spoken(words))


def _spoken(words: Any) -> tuple[SpokenWord, ...]:
    """Word times. What is no list of them is left out: the sound is what was asked for."""
    try:
        told = msgspec.convert(words or [], list[_Word])
    except msgspec.ValidationError:
        return ()
    return tuple(SpokenWord(word.text, word.start, word.end) for word in told)


class _Word(Struct):
    text: str
    start: Annotated[float, Meta(ge=0)]
    end: Annotated[float, Meta(ge=0)]


def _type_of(data: bytes, call: Call) -> str:
    """The content type of bytes that nothing says it of: "" where they do themselves."""
    return "" if _tells_itself(data) else _pcm_type(_asked_rate(call))


def _tells_itself(data: bytes) -> bool:
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2  # MPEG audio, Layer III
    return frame or data.startswith(_SELF_DESCRIBING)


def _named(kind: str, call: Call) -> str:
    """A content type under which PCM has its rate."""
    bare = kind.partition(";")[0].strip().lower()
    pcm = bare in ("audio/pcm", "audio/x-pcm", "audio/raw")
    return _pcm_type(_asked_rate(call)) if pcm and "rate=" not in kind.lower() else kind


def _asked_rate(call: Call) -> int:
    return int(msgspec.json.decode(call.body, type=Request).sample_rate or RATES[0])
