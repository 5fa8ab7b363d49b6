"""What asks for a task, both roles. Clone and design, whose requests crun does not show, are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidParameter
from streamer.protocols.hosted import SAMPLE_RATE, language_name, language_tag
from streamer.protocols.strict import Schema
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import AudioFormat, OptionsUpdate, Start

SPEECH: Final = "qwen3-tts/speech-synthesis"
CLONE: Final = "qwen3-tts/voice-clone"
DESIGN: Final = "qwen3-tts/voice-design"
MODELS = (SPEECH, CLONE, DESIGN)
WAV = AudioFormat("pcm_s16le", "wav", SAMPLE_RATE)
Words: TypeAlias = Annotated[str, Meta(min_length=1)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]


class _Speech(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    text: Words
    voice: Name | None = None
    language_type: str | None = None
    instructions: str | None = None
    optimize_instructions: bool | None = None


class _Clone(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ours. `transcript` is what the reference says."""

    text: Words
    audio_url: Url
    transcript: str | None = None
    language_type: str | None = None


class _Design(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ours."""

    text: Words
    description: Words
    language_type: str | None = None


class _SpeechTask(Struct, kw_only=True, forbid_unknown_fields=True):
    model: Literal["qwen3-tts/speech-synthesis"]
    callback_url: Url | None = None
    input: _Speech


class _CloneTask(Struct, kw_only=True, forbid_unknown_fields=True):
    model: Literal["qwen3-tts/voice-clone"]
    callback_url: Url | None = None
    input: _Clone


class _DesignTask(Struct, kw_only=True, forbid_unknown_fields=True):
    model: Literal["qwen3-tts/voice-design"]
    callback_url: Url | None = None
    input: _Design


class _Any(Struct):
    model: Any = None


_TASKS: Mapping[str, Schema[Any]] = {
    SPEECH: Schema(_SpeechTask),
    CLONE: Schema(_CloneTask),
    DESIGN: Schema(_DesignTask),
}


@dataclass(frozen=True, slots=True)
class Task:
    """What `CreateTask` asks for. `language` is BCP 47 or "auto", None where nothing is said."""

    text: str
    model: str = SPEECH
    voice: str | None = None
    language: str | None = None
    instructions: str | None = None
    optimize_instructions: bool | None = None
    audio_url: str = ""
    transcript: str | None = None
    description: str = ""
    callback_url: str | None = None


def decode_task(body: bytes) -> Task:
    """A request body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`, naming the
    document's fields."""
    try:
        model = msgspec.json.decode(body, type=_Any).model
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        model = None  # said better below
    if isinstance(model, str) and model not in MODELS:
        raise InvalidParameter(f"model must be one of {', '.join(MODELS)}", param="model")
    wire = _TASKS[model if isinstance(model, str) else SPEECH].decode(body)
    fields = msgspec.structs.asdict(wire.input)
    if not fields["text"].strip():
        raise InvalidParameter("input.text holds nothing to say", param="input.text")
    language = _language(fields.pop("language_type"))
    return Task(model=wire.model, language=language, callback_url=wire.callback_url, **fields)


def encode_task(task: Task) -> bytes:
    """The body that asks for it. Raises `InvalidParameter` for a language that has no name here."""
    name = None if task.language is None else language_name(task.language)
    if task.language is not None and name is None:
        raise InvalidParameter(f"no language_type is {task.language!r}", param="language")
    said: dict[str, Any] = {"text": task.text, "language_type": name}
    match task.model:
        case "qwen3-tts/voice-clone":
            own = _Clone(audio_url=task.audio_url, transcript=task.transcript, **said)
            return msgspec.json.encode(
                _CloneTask(model=CLONE, callback_url=task.callback_url, input=own)
            )
        case "qwen3-tts/voice-design":
            made = _Design(description=task.description, **said)
            return msgspec.json.encode(
                _DesignTask(model=DESIGN, callback_url=task.callback_url, input=made)
            )
    speech = _Speech(
        voice=task.voice,
        instructions=task.instructions,
        optimize_instructions=task.optimize_instructions,
        **said,
    )
    return msgspec.json.encode(
        {"model": task.model, "callback_url": task.callback_url, "input": speech}
    )


def job_of(task: Task, alias: str, voice: str | None = None) -> JobRequest:
    """The job that does it; by `voice` in place of the one it names."""
    options = OptionsUpdate(
        voice=voice or task.voice,
        language=task.language,
        instructions=task.instructions or None,
    )
    hook = None if task.callback_url is None else WebhookTarget(task.callback_url, policy="crun")
    return JobRequest(
        Start("task", options, WAV, timestamps="none"),
        task.text,
        webhook=hook,
        dialect="crun",
        alias=alias,
        echo=encode_task(task).decode(),
    )


def _language(name: str | None) -> str | None:
    if name is None:
        return None
    if (tag := language_tag(name)) is None:
        raise InvalidParameter(
            "input.language_type must be Auto or one of the ten languages, such as English",
            param="input.language_type",
        )
    return tag
