"""The client's half: what asks for sound, and what the answers of such gateways can be."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from streamer.protocols.hosted import (
    Call,
    Sound,
    SpokenWord,
    Step,
    Traits,
    Utterance,
    failure,
    language_name,
    message_in,
    sound_type,
    unreadable,
)
from streamer.protocols.modelstream.messages import (
    MODELS,
    PATH,
    RATES,
    TEXT_LIMIT,
    VOICES,
    Request,
    pcm_type,
)

_SELF_DESCRIBING = (b"RIFF", b"ID3", b"OggS", b"fLaC")


class Client:
    """Drives ModelStream. Asks for PCM, which sounds as it comes; takes whatever it is given."""

    traits = Traits(
        url="https://api.modelstream.ai",
        model=MODELS[0],
        models=MODELS,
        voices=VOICES,
        text_limit=TEXT_LIMIT,
        speed=(0.5, 2.0),
        pitch=(0.5, 2.0),
        volume=(0.1, 2.0),
        languages=("en", "zh"),
        words=True,
    )

    def authorize(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

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

    def cancel(self, call: Call) -> Call | None:
        """There is no task: the sound ends with the connection."""
        return None


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
    return "" if _tells_itself(data) else pcm_type(_asked_rate(call))


def _tells_itself(data: bytes) -> bool:
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2  # MPEG audio, Layer III
    return frame or data.startswith(_SELF_DESCRIBING)


def _named(kind: str, call: Call) -> str:
    """A content type under which PCM has its rate."""
    bare = kind.partition(";")[0].strip().lower()
    pcm = bare in ("audio/pcm", "audio/x-pcm", "audio/raw")
    return pcm_type(_asked_rate(call)) if pcm and "rate=" not in kind.lower() else kind


def _asked_rate(call: Call) -> int:
    return int(msgspec.json.decode(call.body)["sample_rate"])
