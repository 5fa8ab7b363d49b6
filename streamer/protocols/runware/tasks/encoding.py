"""The client's half: tasks in the API's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from streamer.errors import InvalidParameter
from streamer.protocols.hosted import language_name
from streamer.protocols.runware import wire
from streamer.protocols.runware.tables import BASE, CUSTOM_VOICE, MAX_NEW_TOKENS
from streamer.protocols.runware.tasks.kinds import (
    Authenticate,
    Delete,
    GetResponse,
    GetTaskDetails,
    Inference,
    Ping,
    Task,
    Upload,
)


def encode_tasks(tasks: Sequence[Task]) -> bytes:
    """The body that asks for them. Raises `InvalidParameter` for what the API has no word for."""
    return msgspec.json.encode([_wire_of(task) for task in tasks])


def encode_inference(task: Inference) -> bytes:
    """One task, as `decode_inference` reads it."""
    return msgspec.json.encode(_wire_of(task))


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
            bitrate=some.bitrate, channels=some.channels, sample_rate=some.sample_rate
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
