"""A file of captions over HTTP, both roles: how it is to be spoken stands in the query, the file is the body.

What a query can't say (a lexicon, metadata, a webhook's own secret) is said by `POST /v1/speech` and `POST
/v1/jobs` with `input` "captions". Knows no web framework.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from streamer.errors import InvalidParameter
from streamer.protocols.base import SpeechRequest
from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import Ttl, Url
from streamer.protocols.native.http import NDJSON, WholeUtterance, start_of, whole_utterance_of
from streamer.protocols.strict import Schema
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import Descriptions, Overlap, Overrun, Start, Timestamps

SPEAKER = "speaker."
"""Before the name in a parameter that gives somebody in the captions a voice."""


class _Query(wire.Spoken, kw_only=True):
    """One level deep: what `audio` and `cues` have stands here under the same names."""

    codec: wire.Name | None = None
    container: wire.Name | None = None
    sample_rate: Annotated[int, Meta(ge=1, le=768_000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=2)] | None = None
    bit_rate: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    frame_ms: Annotated[float, Meta(gt=0, le=1000)] | None = None
    origin_ms: Literal["first"] | wire.CaptionMs | None = None
    max_rate: Annotated[float, Meta(ge=1, le=2)] | None = None
    overrun: Overrun | None = None
    max_late_ms: wire.DelayMs | None = None
    overlap: Overlap | None = None
    descriptions: Descriptions | None = None
    timestamps: Timestamps | None = None
    captions: bool | None = None
    strict: bool | None = None
    trace: bool | None = None
    job: bool | None = None


class _SpeechQuery(_Query, kw_only=True):
    delivery: Literal["audio", "lines"] | None = None


class _JobQuery(_Query, kw_only=True):
    results: Annotated[int, Meta(ge=1, le=16)] | None = None
    webhook: Url | None = None
    ttl_s: Ttl | None = None


_SPEECH: Schema[_SpeechQuery] = Schema(_SpeechQuery)
_JOB: Schema[_JobQuery] = Schema(_JobQuery)
_SOUND = wire.Sound.__struct_fields__
_CUES = tuple(name for name in wire.Cues.__struct_fields__ if name in _Query.__struct_fields__)
_PLAIN = (*wire.Spoken.__struct_fields__, "timestamps", "captions", "strict", "trace")


def decode_captions(
    query: Iterable[tuple[str, str]], text: str, *, accept: str = ""
) -> SpeechRequest | JobRequest:
    """What a query asks to be done with a file. `accept` as in `decode_speech`. Raises `UnknownParameter`
    or `InvalidParameter`."""
    values, speakers = _parted(query)
    if values.get("job", "").lower() in ("1", "true"):
        asked = _JOB.query(values)
        hook = None if asked.webhook is None else WebhookTarget(asked.webhook)
        start = _start(asked, speakers, text, "job")
        return JobRequest(start, text, asked.results or 1, hook, asked.ttl_s)
    message = _SPEECH.query(values)
    usual: Literal["audio", "lines"] = "lines" if NDJSON in accept.lower() else "audio"
    start = _start(message, speakers, text, "speech")
    return SpeechRequest(start, text, message.delivery or usual)


def encode_captions(request: SpeechRequest | JobRequest) -> list[tuple[str, str]]:
    """The query that asks for it; the file is `request.text`."""
    message = WholeUtterance(**whole_utterance_of(request.start, request.text))
    cues, sound = message.cues or wire.Cues(), message.audio or wire.Sound()
    fields = {name: getattr(sound, name) for name in _SOUND}
    fields |= {name: getattr(cues, name) for name in _CUES}
    fields |= {name: getattr(message, name) for name in _PLAIN}
    if isinstance(request, JobRequest):
        fields["job"] = True
        fields["results"] = None if request.results == 1 else request.results
        fields["webhook"] = request.webhook and request.webhook.url
        fields["ttl_s"] = request.ttl_s
    elif request.delivery == "lines":
        fields["delivery"] = "lines"
    stated = [(name, _said(value)) for name, value in fields.items() if value is not None]
    return stated + [(SPEAKER + name, voice) for name, voice in (cues.speakers or {}).items()]


def query_name(param: str | None) -> str | None:
    """What a parameter of `start` is called in a query."""
    if param == "cues.speakers":
        return SPEAKER.rstrip(".")
    group, _, name = (param or "").partition(".")
    if group in ("audio", "cues") and name in _Query.__struct_fields__:
        return name
    return group if group == "webhook" else param


def _parted(query: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters, and those of speakers by their names."""
    values: dict[str, str] = {}
    speakers: dict[str, str] = {}
    for name, value in query:
        if name.startswith(SPEAKER):
            speakers[name.removeprefix(SPEAKER)] = value
        else:
            values[name] = value
    return values, speakers


def _start(asked: _Query, speakers: dict[str, str], text: str, context: str) -> Start:
    try:
        named = msgspec.convert(speakers, wire.Speakers)
    except msgspec.ValidationError:
        wrong = next((name for name, voice in speakers.items() if not _fits(name, voice)), "")
        raise InvalidParameter(
            f"{SPEAKER}NAME=VOICE: a name of 1 to 128 characters, a voice of 1 to 256, and at most 256",
            param=SPEAKER + wrong[:64],
        ) from None
    fields: dict[str, Any] = {name: getattr(asked, name) for name in _PLAIN}
    message = WholeUtterance(
        text=text,
        input="captions",
        audio=wire.Sound(**{name: getattr(asked, name) for name in _SOUND}),
        cues=wire.Cues(**{name: getattr(asked, name) for name in _CUES}, speakers=named or None),
        **fields,
    )
    return start_of(message, context)


def _fits(name: str, voice: str) -> bool:
    try:
        msgspec.convert({name: voice}, wire.Speakers)
    except msgspec.ValidationError:
        return False
    return True


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
