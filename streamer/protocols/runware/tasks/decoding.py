"""The server's half: an array of tasks, each read on its own, so that one refused stops no other."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from streamer.errors import (
    InvalidMessage,
    InvalidParameter,
    StreamerError,
    UnknownParameter,
    UnknownVoice,
)
from streamer.protocols.hosted import language_tag
from streamer.protocols.runware import wire
from streamer.protocols.runware.tables import BASE, MAX_NEW_TOKENS, AudioSettings, audio_of
from streamer.protocols.runware.tasks.kinds import (
    Authenticate,
    Delete,
    GetResponse,
    GetTaskDetails,
    Inference,
    Ping,
    Refusal,
    Task,
    Upload,
)

MOST_TASKS = 100
"""Of one request."""
_UUID4 = re.compile(wire.UUID4)
_ECHO = 64
"""Most characters of a name that is told to the client again."""


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
