"""What a client may ask for: each task with what it says, and one that can't be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from streamer.errors import StreamerError
from streamer.protocols.runware.tables import (
    MAX_NEW_TOKENS,
    AudioSettings,
    Delivery,
    OutputFormat,
    OutputType,
    audio_of,
)
from streamer.types import AudioFormat


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
