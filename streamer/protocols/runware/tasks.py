"""What clients ask for: an array of tasks, each read on its own, so that one refused stops no other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from streamer.errors import (
    InvalidMessage,
    InvalidParameter,
    StreamerError,
    UnknownParameter,
    UnknownVoice,
)
from streamer.protocols.hosted import language_name, language_tag
from streamer.protocols.runware import wire
from streamer.protocols.runware.tables import (
    BASE,
    CUSTOM_VOICE,
    MAX_NEW_TOKENS,
    AudioSettings,
    Delivery,
    OutputFormat,
    OutputType,
    audio_of,
)
from streamer.types import AudioFormat

MOST_TASKS = 100
"""Of one request."""
_UUID4 = re.compile(wire.UUID4)
_ECHO = 64


@dataclass(frozen=True, slots=True)
class Authenticate:
    """`session`: the connection to resume, "" for a new one."""

    key: str = ""
    session: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    id: str = ""


@dataclass(frozen=True, slots=True)
class GetResponse:
    id: str


@dataclass(frozen=True, slots=True)
class GetTaskDetails:
    id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """`media`: a URL, a data URI or base64."""

    id: str
    media: str


@dataclass(frozen=True, slots=True)
class Delete:
    """`media`: the UUID of an upload or a result."""

    id: str
    media: str


@dataclass(frozen=True, slots=True)
class Inference:
    """One `audioInference`. `id` is its taskUUID, `language` BCP 47 or "auto", `voice` "" where the model
    needs none. `reference` is `inputs.audio`, `prompt` is `positivePrompt`, "" where there is none;
    `ttl_s` and `max_new_tokens` None as by default."""

    id: str
    model: str
    text: str
    voice: str = ""
    language: str = "auto"
    speed: float = 1.0
    prompt: str = ""
    reference: str = ""
    transcript: str = ""
    x_vector_only: bool = False
    max_new_tokens: int = MAX_NEW_TOKENS
    output_type: OutputType = "URL"
    output_format: OutputFormat = "MP3"
    settings: AudioSettings | None = None
    delivery: Delivery = "sync"
    webhook: str = ""
    upload: str = ""
    ttl_s: int | None = None
    include_cost: bool = False
    results: int = 1

    @property
    def audio(self) -> AudioFormat:
        return audio_of(self.output_format, self.settings)


Task: TypeAlias = Authenticate | Ping | GetResponse | GetTaskDetails | Upload | Delete | Inference


@dataclass(frozen=True, slots=True)
class Refusal:
    """An element of the array that can't be done, and why. `kind` and `id` as far as they are told."""

    error: StreamerError
    kind: str = ""
    id: str = ""


def decode_tasks(message: str | bytes) -> list[Task | Refusal]:
    """The tasks of a request or a message. Raises `InvalidMessage` for what is no array of them."""
    try:
        elements = msgspec.json.decode(message, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidMessage("the request is a JSON array of tasks") from None
    if not 1 <= len(elements) <= MOST_TASKS:
        raise InvalidMessage(f"the array has 1 to {MOST_TASKS} tasks")
    return [_element(bytes(element)) for element in elements]


def decode_inference(message: str | bytes) -> Inference:
    """One `audioInference`. Raises `UnknownParameter`, `InvalidParameter` or `UnknownVoice`."""
    task = _decode(message if isinstance(message, bytes) else message.encode())
    if not isinstance(task, Inference):
        raise InvalidMessage("not an audioInference", param="taskType")
    return task


def encode_tasks(tasks: Sequence[Task]) -> bytes:
    """The body that asks for them. Raises `InvalidParameter` for what the API has no word for."""
    return msgspec.json.encode([_wire_of(task) for task in tasks])


def encode_inference(task: Inference) -> bytes:
    """One task, as `decode_inference` reads it."""
    return msgspec.json.encode(_wire_of(task))


def _element(element: bytes) -> Task | Refusal:
    kind, id = _names_of(element)
    try:
        return _decode(element)
    except StreamerError as error:
        return Refusal(error, kind, id)


def _names_of(element: bytes) -> tuple[str, str]:
    """`taskType` and `taskUUID`, as far as they can be told to the client again."""
    fields = _fields_of(element) or {}
    kind, id = fields.get("taskType"), fields.get("taskUUID")
    return (
        kind if isinstance(kind, str) and (kind in wire.TASKS or kind == "audioInference") else "",
        id if isinstance(id, str) and _UUID4.match(id) else "",
    )


def _fields_of(element: bytes) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(element)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _decode(element: bytes) -> Task:
    fields = _fields_of(element)
    if fields is None:
        raise InvalidMessage("a task is a JSON object")
    kind = fields.get("taskType")
    if not isinstance(kind, str):
        raise InvalidParameter("a task says its taskType", param="taskType")
    if kind == "audioInference":
        return _inference(element, fields.get("model"))
    schema = wire.TASKS.get(kind)
    if schema is None:
        raise UnknownParameter(f"no task {kind[:_ECHO]!r} here", param="taskType")
    match schema.decode(element):
        case wire.AuthenticationTask() as task:
            return Authenticate(
                task.api_key or "", task.connection_session_uuid or "", task.task_uuid or ""
            )
        case wire.PingTask() as task:
            return Ping(task.task_uuid or "")
        case wire.GetResponseTask() as task:
            return GetResponse(task.task_uuid)
        case wire.GetTaskDetailsTask() as task:
            return GetTaskDetails(task.task_uuid)
        case wire.MediaStorageTask() as task if task.operation == "upload":
            return Upload(task.task_uuid, task.media)
        case task:
            assert isinstance(task, wire.MediaStorageTask)
            return Delete(task.task_uuid, task.media)


def _inference(element: bytes, model: object) -> Inference:
    if not isinstance(model, str):
        raise InvalidParameter("model is missing, or not a text", param="model")
    schema = wire.INFERENCES.get(model)
    if schema is None:
        raise UnknownVoice(
            f"no model {model[:_ECHO]!r} here; there are {', '.join(wire.INFERENCES)}",
            param="model",
            candidates=list(wire.INFERENCES),
        )
    task = schema.decode(element)
    clone = task.settings if isinstance(task, wire.BaseTask) else None
    output_type = task.output_type or "URL"
    if task.ttl is not None and output_type != "URL":
        raise InvalidParameter("ttl applies when outputType is URL", param="ttl")
    prompt = None if isinstance(task, wire.BaseTask) else task.positive_prompt
    some = task.audio_settings
    made = Inference(
        id=task.task_uuid,
        model=model,
        text=task.speech.text,
        voice=task.speech.voice or "",
        language=_language(task.speech.language),
        speed=1.0 if task.speech.speed is None else task.speech.speed,
        prompt=prompt or "",
        reference=task.inputs.audio if isinstance(task, wire.BaseTask) else "",
        transcript=(clone.transcript or "") if clone else "",
        x_vector_only=bool(clone.x_vector_only) if clone else False,
        max_new_tokens=(task.settings and task.settings.max_new_tokens) or MAX_NEW_TOKENS,
        output_type=output_type,
        output_format=task.output_format or "MP3",
        settings=None
        if some is None
        else AudioSettings(some.bitrate, some.channels, some.sample_rate),
        delivery=task.delivery_method or "sync",
        webhook=task.webhook_url or "",
        upload=task.upload_endpoint or "",
        ttl_s=task.ttl,
        include_cost=bool(task.include_cost),
        results=task.number_results or 1,
    )
    _check(made)
    return made


def _check(task: Inference) -> None:
    """What one field says of another."""
    if not task.text.strip():
        raise InvalidParameter("speech.text holds nothing to say", param="speech.text")
    audio_of(task.output_format, task.settings)
    if task.model != BASE:
        return
    if task.voice not in ("clone", "auto"):
        raise InvalidParameter(
            "this model speaks in the voice of inputs.audio: speech.voice must be 'clone' or 'auto'",
            param="speech.voice",
            candidates=["clone", "auto"],
        )
    if not task.x_vector_only and not task.transcript.strip():
        raise InvalidParameter(
            "settings.transcript is required, unless xVectorOnly is true",
            param="settings.transcript",
        )


def _language(name: str | None) -> str:
    tag = "auto" if name is None else language_tag(name)
    if tag is None:
        raise InvalidParameter("no such language", param="speech.language")
    return tag


def _wire_of(task: Task) -> wire.AnyTask:
    match task:
        case Authenticate(key, session, id):
            return wire.AuthenticationTask(
                api_key=key or None, connection_session_uuid=session or None, task_uuid=id or None
            )
        case Ping(id):
            return wire.PingTask(ping=True, task_uuid=id or None)
        case GetResponse(id):
            return wire.GetResponseTask(task_uuid=id)
        case GetTaskDetails(id):
            return wire.GetTaskDetailsTask(task_uuid=id)
        case Upload(id, media):
            return wire.MediaStorageTask(task_uuid=id, operation="upload", media=media)
        case Delete(id, media):
            return wire.MediaStorageTask(task_uuid=id, operation="delete", media=media)
        case Inference():
            return _wire_inference(task)


def _wire_inference(task: Inference) -> wire.AnyInference:
    language = None
    if task.language != "auto":
        language = language_name(task.language)
        if language is None:
            raise InvalidParameter("no such language there", param="language")
    speed = None if task.speed == 1.0 else task.speed
    tokens = None if task.max_new_tokens == MAX_NEW_TOKENS else task.max_new_tokens
    some = task.settings
    common: dict[str, Any] = {
        "task_uuid": task.id,
        "model": task.model,
        "output_type": None if task.output_type == "URL" else task.output_type,
        "output_format": None if task.output_format == "MP3" else task.output_format,
        "audio_settings": some
        and wire.AudioSettingsFields(
            bitrate=some.bitrate, channels=_channels(some), sample_rate=some.sample_rate
        ),
        "delivery_method": None if task.delivery == "sync" else task.delivery,
        "webhook_url": task.webhook or None,
        "upload_endpoint": task.upload or None,
        "ttl": task.ttl_s,
        "include_cost": task.include_cost or None,
        "number_results": None if task.results == 1 else task.results,
    }
    if task.model == BASE:
        settings = wire.CloneSettingsFields(
            max_new_tokens=tokens,
            transcript=task.transcript or None,
            x_vector_only=task.x_vector_only or None,
        )
        return wire.BaseTask(
            speech=wire.SpeechFields(
                text=task.text, voice=task.voice, language=language, speed=speed
            ),
            inputs=wire.InputsFields(audio=task.reference),
            settings=settings,
            **common,
        )
    capped = None if tokens is None else wire.SettingsFields(max_new_tokens=tokens)
    if task.model == CUSTOM_VOICE:
        return wire.CustomVoiceTask(
            speech=wire.SpeechFields(
                text=task.text, voice=task.voice, language=language, speed=speed
            ),
            positive_prompt=task.prompt or None,
            settings=capped,
            **common,
        )
    voice: Any = task.voice or None
    return wire.VoiceDesignTask(
        speech=wire.DesignSpeechFields(text=task.text, voice=voice, language=language, speed=speed),
        positive_prompt=task.prompt,
        settings=capped,
        **common,
    )


def _channels(settings: AudioSettings) -> Any:
    return settings.channels
