"""What asks for a task: speech by `qwen3-tts-vd`, or a voice by `qwen-voice-design`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidParameter, NotFound
from streamer.protocols.hosted import SAMPLE_RATE, language_tag
from streamer.protocols.strict import Schema
from streamer.types import AudioFormat

SPEECH = "qwen3-tts-vd"
DESIGN = "qwen-voice-design"
TEXT = 600
"""Most characters of a prompt, in code points."""

Language: TypeAlias = Literal[
    "Auto",
    "Chinese",
    "English",
    "Japanese",
    "Korean",
    "French",
    "German",
    "Spanish",
    "Italian",
    "Russian",
    "Portuguese",
]
Format: TypeAlias = Literal["pcm", "wav", "mp3", "opus"]
Callback: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]

_CODECS = {
    "pcm": ("pcm_s16le", "none"),
    "wav": ("pcm_s16le", "wav"),
    "mp3": ("mp3", "mp3"),
    "opus": ("opus", "ogg"),
}
WAV = AudioFormat("pcm_s16le", "wav", SAMPLE_RATE)
"""What speech comes as: the document names no format, and this is what Qwen3-TTS makes."""

SPEECH_NAMES = {"text": "prompt", "language": "language_type", "webhook.url": "callback_url"}
DESIGN_NAMES = {
    "text": "preview_text",
    "voice": "model",
    "webhook.url": "callback_url",
    "audio.sample_rate": "sample_rate",
    "audio.codec": "response_format",
}
"""The documents' names of what our errors name, of either request."""

_DESIGNED = re.compile(r"qwen-tts-vd-[A-Za-z0-9_]{1,16}-voice-[0-9]{8}-[0-9a-z]{4}")


class SpeechBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`model` is "required" and has a default: it may be left out."""

    model: Literal["qwen3-tts-vd"] | None = None
    prompt: Annotated[str, Meta(min_length=1, max_length=TEXT)]
    voice: Annotated[str, Meta(min_length=1, max_length=256)]
    language_type: Language | None = None
    callback_url: Callback | None = None


class DesignBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Rates, formats and languages are those of Alibaba's voice design, which this is."""

    model: Literal["qwen-voice-design"]
    voice_prompt: Annotated[str, Meta(min_length=1, max_length=2048)]
    preview_text: Annotated[str, Meta(min_length=1, max_length=1024)]
    preferred_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]{1,16}\Z")] | None = None
    language: Literal["zh", "en", "de", "it", "pt", "es", "ja", "ko", "fr", "ru"] | None = None
    sample_rate: Literal[8000, 16000, 24000, 48000] | None = None
    response_format: Format | None = None
    target_model: Annotated[str, Meta(pattern=r"^qwen3-tts-vd[a-z0-9.-]{0,48}\Z")] | None = None
    callback_url: Callback | None = None


class _Any(Struct):
    model: Any = None


@dataclass(frozen=True, slots=True)
class Speech:
    """`language` is BCP 47 or "auto"."""

    text: str
    voice: str
    language: str = "auto"
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class Design:
    """A voice after a description, and a text to hear it by. `language` None is the document's default,
    "zh": nobody has said it of this text."""

    description: str
    text: str
    name: str = "custom"
    language: str | None = None
    audio: AudioFormat = WAV
    callback_url: str | None = None


_SPEECH: Schema[SpeechBody] = Schema(SpeechBody)
_DESIGN: Schema[DesignBody] = Schema(DesignBody)


def decode_request(body: bytes) -> Speech | Design:
    """A request body. Raises `InvalidMessage`, `UnknownParameter`, `InvalidParameter`, or `NotFound` for a
    model that is neither, all naming the document's fields."""
    try:
        model = msgspec.json.decode(body, type=_Any).model
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        model = None  # said better below
    if isinstance(model, str) and model not in (SPEECH, DESIGN):
        raise NotFound(f"no model {model[:64]!r}; there are {SPEECH} and {DESIGN}", param="model")
    return _design(_DESIGN.decode(body)) if model == DESIGN else _speech(_SPEECH.decode(body))


def is_designed(voice: str) -> bool:
    """Whether it is the name of a voice that was designed, by its form."""
    return _DESIGNED.fullmatch(voice) is not None


def designed_name(name: str, date: str, chance: str) -> str:
    """The name of a new voice; `date` as 20260402, `chance` four of 0-9a-z."""
    return f"qwen-tts-vd-{name}-voice-{date}-{chance}"


def _speech(body: SpeechBody) -> Speech:
    if not body.prompt.strip():
        raise InvalidParameter("prompt holds nothing to say", param="prompt")
    language = language_tag(body.language_type or "Auto") or "auto"
    return Speech(body.prompt, body.voice, language, _https(body.callback_url))


def _design(body: DesignBody) -> Design:
    for name in ("voice_prompt", "preview_text"):
        if not getattr(body, name).strip():
            raise InvalidParameter(f"{name} holds nothing but space", param=name)
    codec, container = _CODECS[body.response_format or "wav"]
    return Design(
        body.voice_prompt,
        body.preview_text,
        body.preferred_name or "custom",
        body.language,
        AudioFormat(codec, container, body.sample_rate or SAMPLE_RATE),
        _https(body.callback_url),
    )


def _https(url: str | None) -> str | None:
    if url is not None and not url.lower().startswith("https://"):
        raise InvalidParameter("callback_url must be an https:// URL", param="callback_url")
    return url
