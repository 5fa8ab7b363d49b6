"""What a client of `streamer.v1` may say: the shape of every message and the range of every field.

Shape only: what the messages stand for is in `native.commands`, what comes back in `native.events`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from streamer.types import Cut, Descriptions, Input, Overlap, Overrun, Timestamps, Transport

# Ranges. What a codec or an engine can do within them is not known here.

ContextId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Name: TypeAlias = Annotated[str, Meta(max_length=256)]
Mark: TypeAlias = Annotated[str, Meta(max_length=256)]
Language: TypeAlias = Annotated[
    str, Meta(max_length=64, pattern=r"^(auto|[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)\Z")
]
Instructions: TypeAlias = Annotated[str, Meta(max_length=4096)]
Speed: TypeAlias = Annotated[float, Meta(ge=0.25, le=4)]
Pitch: TypeAlias = Annotated[float, Meta(ge=0.5, le=2)]
Volume: TypeAlias = Annotated[float, Meta(ge=0, le=2)]
Seed: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
LeadMs: TypeAlias = Annotated[int, Meta(ge=20, le=60_000)]
Offset: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
PartsPerMillion: TypeAlias = Annotated[float, Meta(ge=-1e6, le=1e6)]
Lexicon: TypeAlias = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=128)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=1000),
]

CueId: TypeAlias = Annotated[str, Meta(max_length=256)]
CaptionMs: TypeAlias = Annotated[float, Meta(ge=0, le=1e13)]
"""On a caption clock, which may be the time of day since 1970."""
DelayMs: TypeAlias = Annotated[float, Meta(ge=0, le=60_000)]
BackMs: TypeAlias = Annotated[float, Meta(ge=0, le=300_000)]
Speakers: TypeAlias = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=128)],
        Annotated[str, Meta(min_length=1, max_length=256)],
    ],
    Meta(max_length=256),
]
ChannelName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]*\Z")
]

# Messages. None is the same as leaving a field out.


class Strict(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of all that a client sends."""


class Spoken(Strict, kw_only=True):
    """How to speak: may change from one segment to the next."""

    voice: Name | None = None
    model: Name | None = None
    language: Language | None = None
    instructions: Instructions | None = None
    speed: Speed | None = None
    pitch: Pitch | None = None
    volume: Volume | None = None
    seed: Seed | None = None


class Sound(Strict, kw_only=True):
    """The format wished for."""

    codec: Name | None = None
    container: Name | None = None
    sample_rate: Annotated[int, Meta(ge=1, le=768_000)] | None = None
    channels: Annotated[int, Meta(ge=1, le=2)] | None = None
    bit_rate: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    frame_ms: Annotated[float, Meta(gt=0, le=1000)] | None = None


class SocketSound(Sound, kw_only=True):
    transport: Transport | None = None


class Pacing(Strict, kw_only=True):
    lead_ms: LeadMs | None = None


class Cues(Strict, kw_only=True):
    """How cues are spoken in time."""

    origin_ms: CaptionMs | Literal["first"] | None = None
    delay_ms: DelayMs | None = None
    max_rate: Annotated[float, Meta(ge=1, le=2)] | None = None
    overrun: Overrun | None = None
    max_late_ms: DelayMs | None = None
    overlap: Overlap | None = None
    speakers: Speakers | None = None
    descriptions: Descriptions | None = None


class Utterance(Spoken, kw_only=True):
    """What `start` and the HTTP request have in common."""

    timestamps: Timestamps | None = None
    cut: Cut | None = None
    lexicon: Lexicon | None = None
    strict: bool | None = None
    trace: bool | None = None
    input: Input | None = None
    cues: Cues | None = None
    captions: bool | None = None


class Start(Utterance, kw_only=True, tag="start"):
    context: ContextId
    audio: SocketSound | None = None
    pacing: Pacing | None = None
    channel: ChannelName | None = None


class Text(Spoken, kw_only=True, tag="text"):
    context: ContextId
    text: str
    at: Offset | None = None
    mark: Mark | None = None


class Cue(Strict, kw_only=True, tag="cue"):
    context: ContextId
    text: str
    id: CueId | None = None
    start_ms: CaptionMs | None = None
    end_ms: CaptionMs | None = None
    voice: Name | None = None


class Subscribe(Strict, kw_only=True, tag="subscribe"):
    context: ContextId
    channel: ChannelName
    audio: SocketSound | None = None
    timestamps: Timestamps | None = None
    captions: bool | None = None
    back_ms: BackMs | None = None


class Flush(Strict, kw_only=True, tag="flush"):
    context: ContextId


class End(Strict, kw_only=True, tag="end"):
    context: ContextId


class Interrupt(Strict, kw_only=True, tag="interrupt"):
    context: ContextId | None = None
    played_ms: Milliseconds | None = None


class Cancel(Strict, kw_only=True, tag="cancel"):
    context: ContextId | None = None


class Pause(Strict, kw_only=True, tag="pause"):
    context: ContextId
    played_ms: Milliseconds | None = None


class Continue(Strict, kw_only=True, tag="continue"):
    context: ContextId


class Played(Strict, kw_only=True, tag="played"):
    context: ContextId
    played_ms: Milliseconds


class Report(Strict, kw_only=True, tag="report"):
    context: ContextId
    first_sound_ms: Milliseconds | None = None
    underruns: Count | None = None
    drift_ppm: PartsPerMillion | None = None
    network_ms: Milliseconds | None = None


class Resume(Strict, kw_only=True, tag="resume"):
    session: Name
    token: Name
    received: Annotated[dict[ContextId, Count], Meta(max_length=1024)] | None = None


Message: TypeAlias = (
    Start
    | Text
    | Cue
    | Subscribe
    | Flush
    | End
    | Interrupt
    | Cancel
    | Pause
    | Continue
    | Played
    | Report
    | Resume
)
