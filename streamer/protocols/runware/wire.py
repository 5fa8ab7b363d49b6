"""Runware's tasks as they are on the wire: msgspec Structs, one for each `taskType` and model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from streamer.protocols.runware.tables import (
    BASE,
    CUSTOM_VOICE,
    TEXT_LIMIT,
    VOICE_DESIGN,
    Delivery,
    OutputFormat,
    OutputType,
)
from streamer.protocols.strict import Schema

UUID4 = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}\Z"
Uuid4: TypeAlias = Annotated[str, Meta(pattern=UUID4)]
Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]
Said: TypeAlias = Annotated[str, Meta(min_length=1, max_length=10000)]
Key: TypeAlias = Annotated[str, Meta(max_length=512)]
_ACRONYMS = {"Uuid": "UUID", "Url": "URL"}


def _name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(_ACRONYMS.get(part.title(), part.title()) for part in rest)


class _Strict(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename=_name):
    """None is the same as leaving a field out."""


class AnyTask(_Strict, tag_field="taskType"):
    pass


class AuthenticationTask(AnyTask, kw_only=True, tag="authentication"):
    api_key: Key | None = None
    connection_session_uuid: Annotated[str, Meta(max_length=64)] | None = None
    task_uuid: Uuid4 | None = None


class PingTask(AnyTask, kw_only=True, tag="ping"):
    ping: bool | None = None
    task_uuid: Uuid4 | None = None


class GetResponseTask(AnyTask, kw_only=True, tag="getResponse"):
    task_uuid: Uuid4


class GetTaskDetailsTask(AnyTask, kw_only=True, tag="getTaskDetails"):
    task_uuid: Uuid4


class MediaStorageTask(AnyTask, kw_only=True, tag="mediaStorage"):
    task_uuid: Uuid4
    operation: Literal["upload", "delete"]
    media: Annotated[str, Meta(min_length=1)]


class AudioSettingsFields(_Strict):
    bitrate: Annotated[int, Meta(ge=8)] | None = None
    channels: Literal[1, 2] | None = None
    sample_rate: int | None = None


class SpeechFields(_Strict):
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    voice: Annotated[str, Meta(min_length=1, max_length=256)]
    language: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None


class DesignSpeechFields(_Strict):
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    voice: Literal["auto", "design"] | None = None
    language: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    speed: Annotated[float, Meta(ge=0.25, le=4)] | None = None


class InputsFields(_Strict):
    audio: Url


class SettingsFields(_Strict):
    max_new_tokens: Annotated[int, Meta(ge=1, le=1 << 31)] | None = None


class CloneSettingsFields(SettingsFields):
    transcript: Said | None = None
    x_vector_only: bool | None = None


class InferenceTask(AnyTask, kw_only=True, tag="audioInference"):
    """What the three models have in common."""

    task_uuid: Uuid4
    model: str
    output_type: OutputType | None = None
    output_format: OutputFormat | None = None
    audio_settings: AudioSettingsFields | None = None
    delivery_method: Delivery | None = None
    webhook_url: Url | None = None
    upload_endpoint: Url | None = None
    ttl: Annotated[int, Meta(ge=60, le=1 << 31)] | None = None
    include_cost: bool | None = None
    number_results: Annotated[int, Meta(ge=1, le=4)] | None = None


class BaseTask(InferenceTask, kw_only=True, tag="audioInference"):
    speech: SpeechFields
    inputs: InputsFields
    settings: CloneSettingsFields | None = None


class CustomVoiceTask(InferenceTask, kw_only=True, tag="audioInference"):
    speech: SpeechFields
    positive_prompt: Said | None = None
    settings: SettingsFields | None = None


class VoiceDesignTask(InferenceTask, kw_only=True, tag="audioInference"):
    speech: DesignSpeechFields
    positive_prompt: Said
    settings: SettingsFields | None = None


AnyInference: TypeAlias = BaseTask | CustomVoiceTask | VoiceDesignTask

INFERENCES: Mapping[str, Schema[AnyInference]] = {
    BASE: Schema(BaseTask),
    CUSTOM_VOICE: Schema(CustomVoiceTask),
    VOICE_DESIGN: Schema(VoiceDesignTask),
}
TASKS: Mapping[str, Schema[Any]] = {
    "authentication": Schema(AuthenticationTask),
    "ping": Schema(PingTask),
    "getResponse": Schema(GetResponseTask),
    "getTaskDetails": Schema(GetTaskDetailsTask),
    "mediaStorage": Schema(MediaStorageTask),
}
