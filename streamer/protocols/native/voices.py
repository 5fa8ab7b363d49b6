"""Voices on the wire, both roles: which there are, and what asks for a new one. Knows no web framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidParameter
from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import Url, read
from streamer.protocols.native.http import CONTAINERS
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema
from streamer.resources import OwnVoice
from streamer.types import AudioFormat, Capabilities, Description, Voice

VoiceName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
Transcript = Annotated[str, Meta(max_length=2000)]
DESCRIPTION, PREVIEW = 2048, 1024
"""Most characters, as Alibaba's voice design has them."""


class CloneQuery(wire.Strict, kw_only=True):
    """The query of a request whose body is the recording itself."""

    name: VoiceName | None = None
    transcript: Transcript | None = None
    language: wire.Language | None = None
    model: wire.Name | None = None


class _Clone(CloneQuery, kw_only=True):
    data: Annotated[str, Meta(min_length=1)] | None = None
    url: Url | None = None
    file: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class _Design(wire.Strict, kw_only=True):
    description: Annotated[str, Meta(min_length=1, max_length=DESCRIPTION)]
    preview_text: Annotated[str, Meta(min_length=1, max_length=PREVIEW)] | None = None
    name: VoiceName | None = None
    language: wire.Language | None = None
    model: wire.Name | None = None
    seed: wire.Seed | None = None


class PreviewQuery(wire.Strict, kw_only=True):
    """The query of a preview."""

    codec: wire.Name | None = None

    @property
    def audio(self) -> AudioFormat:
        codec = self.codec or "opus"
        return AudioFormat(codec, CONTAINERS.get(codec, "none"))


_CLONE: Schema[_Clone] = Schema(_Clone)
_DESIGN: Schema[_Design] = Schema(_Design)


@dataclass(frozen=True, slots=True)
class CloneRequest:
    """A voice like a recording: `data` (a data URI), `url` or `file` (the id of one that is here), one of
    the three, or the body itself. `language` BCP 47 or "auto"; `model`: the engine that is to make it."""

    data: str | None = None
    url: str | None = None
    file: str | None = None
    name: str = ""
    transcript: str = ""
    language: str = "auto"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class DesignRequest:
    """A voice as described. Without `preview_text` one of the language is taken."""

    description: str
    preview_text: str = ""
    name: str = ""
    language: str = "auto"
    model: str | None = None
    seed: int = 0

    def description_with(self, preview_text: str) -> Description:
        return Description(self.description, preview_text, self.language, self.seed)


def clone_of(query: CloneQuery) -> CloneRequest:
    """What the query says of a body that is the recording."""
    return CloneRequest(
        name=query.name or "",
        transcript=query.transcript or "",
        language=query.language or "auto",
        model=query.model,
    )


def decode_clone(body: bytes) -> CloneRequest:
    """A JSON body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _CLONE.decode(body)
    if sum(given is not None for given in (message.data, message.url, message.file)) != 1:
        raise InvalidParameter("a recording is given by `data`, `url` or `file`", param="data")
    return CloneRequest(
        message.data,
        message.url,
        message.file,
        message.name or "",
        message.transcript or "",
        message.language or "auto",
        message.model,
    )


def encode_clone(request: CloneRequest) -> bytes:
    """The body that asks for it."""
    message = _Clone(
        data=request.data,
        url=request.url,
        file=request.file,
        name=request.name or None,
        transcript=request.transcript or None,
        language=None if request.language == "auto" else request.language,
        model=request.model,
    )
    return msgspec.json.encode(message)


def decode_design(body: bytes) -> DesignRequest:
    """A JSON body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _DESIGN.decode(body)
    if not message.description.strip():
        raise InvalidParameter("description says nothing", param="description")
    if message.preview_text is not None and not message.preview_text.strip():
        raise InvalidParameter("preview_text holds nothing to say", param="preview_text")
    return DesignRequest(
        message.description,
        message.preview_text or "",
        message.name or "",
        message.language or "auto",
        message.model,
        message.seed or 0,
    )


def encode_design(request: DesignRequest) -> bytes:
    """The body that asks for it."""
    message = _Design(
        description=request.description,
        preview_text=request.preview_text or None,
        name=request.name or None,
        language=None if request.language == "auto" else request.language,
        model=request.model,
        seed=request.seed or None,
    )
    return msgspec.json.encode(message)


class VoiceAnswer(Struct, kw_only=True, frozen=True):
    """A voice as its client sees it. `kind`: preset, clone or design; the time (ISO 8601, UTC) is of those
    that the key has made."""

    id: str
    engine: str
    name: str = ""
    languages: tuple[str, ...] = ("en",)
    gender: str = ""
    description: str = ""
    kind: str = "preset"
    preview_text: str = ""
    created_at: str | None = None


class _Abilities(Struct, kw_only=True):
    instructions: bool
    clone: bool
    design: bool


class _Voices(Struct):
    voices: list[VoiceAnswer]
    aliases: dict[str, str] = {}
    engines: dict[str, _Abilities] = {}


def voice_answer(voice: Voice) -> VoiceAnswer:
    """What is told of an engine's own voice."""
    return VoiceAnswer(
        id=voice.id,
        engine=voice.engine,
        name=voice.name,
        languages=voice.languages,
        gender=voice.gender,
        description=voice.description,
    )


def own_answer(voice: OwnVoice) -> VoiceAnswer:
    """What its key is told of a voice that it has made."""
    return VoiceAnswer(
        id=voice.id,
        engine=voice.engine,
        name=voice.name,
        languages=voice.languages,
        description=voice.description,
        kind=voice.kind,
        preview_text=voice.preview_text,
        created_at=format_time(voice.created),
    )


def encode_voice(voice: VoiceAnswer) -> bytes:
    """The body that tells of one voice."""
    return msgspec.json.encode(voice)


def decode_voice(body: bytes) -> VoiceAnswer:
    """Raises `RemoteProtocolError` for what is no voice."""
    return read(body, VoiceAnswer, "a voice")


def encode_voices(
    voices: Iterable[Voice],
    aliases: Mapping[str, str] | None = None,
    own: Iterable[OwnVoice] = (),
    engines: Mapping[str, Capabilities] | None = None,
) -> bytes:
    """The body of `GET /v1/voices`. `aliases`: other names, and the voices they stand for; `own` are those
    that the key has made; `engines`: what each can do, so that a page offers no more."""
    listed = [*map(voice_answer, voices), *map(own_answer, own)]
    can = {
        name: _Abilities(instructions=able.instructions, clone=able.clone, design=able.design)
        for name, able in (engines or {}).items()
    }
    return msgspec.json.encode(_Voices(listed, dict(aliases or {}), can))


def decode_voice_list(body: bytes) -> list[VoiceAnswer]:
    """Raises `RemoteProtocolError` for what is no list of voices."""
    return read(body, _Voices, "a list of voices").voices


def decode_voices(body: bytes) -> list[Voice]:
    """The same, as far as a speaker needs it."""
    return [
        Voice(v.id, v.engine, v.name, v.languages, v.gender, v.description)
        for v in decode_voice_list(body)
    ]
