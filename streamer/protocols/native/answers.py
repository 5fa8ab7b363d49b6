"""What a server of `streamer.v1` may say: the shape of every JSON message.

Shape only: `native.events` says what they stand for. Read without refusing anything unknown, and with
plain strings where the server picks from a list, so that the protocol can grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import UNSET, Struct, UnsetType


class Ready(Struct, kw_only=True, tag="ready"):
    session: str
    token: str
    limits: Mapping[str, int | float]
    request_id: str = ""


class Recovered(Struct, kw_only=True):
    recovered: bool
    characters: int = 0


class Resumed(Struct, kw_only=True, tag="resumed"):
    session: str
    contexts: Mapping[str, Recovered]


class Sound(Struct, kw_only=True):
    """`started.audio`: the format really used."""

    codec: str
    container: str
    sample_rate: int
    channels: int
    bit_rate: int | None = None
    frame_ms: float | None = None
    transport: str = "binary"


class Answer(Struct, kw_only=True):
    """Base of all that belongs to a context."""

    context: str
    sequence: int = 0


class Started(Answer, kw_only=True, tag="started"):
    """`header` travels as base64."""

    audio: Sound
    mime: str
    header: bytes = b""
    lead_in: int = 0
    voice: str
    engine: str
    stream: int
    seed: int = 0
    warnings: tuple[str, ...] = ()


class Trace(Struct, kw_only=True):
    received_ms: float
    cut_ms: float
    synthesized_ms: float
    encoded_ms: float


class Segment(Answer, kw_only=True, tag="segment"):
    index: int
    text: str
    offset: int
    start_ms: float
    reason: str
    lost: bool = False
    cue: str | None = None
    rate: float = 1.0
    voice: str = ""
    shift_ms: float | UnsetType = UNSET
    trace: Trace | UnsetType = UNSET


class Word(Struct, kw_only=True):
    text: str
    start_ms: float
    end_ms: float
    offset: int


class Words(Answer, kw_only=True, tag="words"):
    words: tuple[Word, ...]
    timing: str
    unit: str = "word"


class Late(Answer, kw_only=True, tag="late"):
    cue: str
    by_ms: float
    rate: float = 1.0
    into: str | None = None


class Skipped(Answer, kw_only=True, tag="skipped"):
    cue: str
    reason: str


class Caption(Answer, kw_only=True, tag="caption"):
    index: int
    start_ms: float
    end_ms: float
    text: str
    words: tuple[Word, ...] = ()
    cue: str | None = None


class Audio(Answer, kw_only=True, tag="audio"):
    """A packet under `audio.transport: "json"`; `data` travels as base64."""

    pts: int
    duration: int
    flags: int = 0
    data: bytes


class Mark(Answer, kw_only=True, tag="mark"):
    mark: str
    at_ms: float


class Heard(Answer, kw_only=True):
    """What the listener has heard."""

    heard_text: str
    heard_words: tuple[Word, ...]
    unspoken_text: str
    played_ms: float
    clock: str


class Paused(Heard, kw_only=True, tag="paused"):
    pass


class Continued(Answer, kw_only=True, tag="continued"):
    at_ms: float
    offset: int


class Interrupted(Heard, kw_only=True, tag="interrupted"):
    pass


class Done(Answer, kw_only=True, tag="done"):
    reason: str
    samples: int
    audio_ms: float
    characters: int
    first_audio_ms: float | None = None
    engine: str = ""
    cost: float | None = None


OfCues: TypeAlias = Late | Skipped | Caption
OfContext: TypeAlias = (
    Started | Segment | Words | Audio | Mark | OfCues | Paused | Continued | Interrupted | Done
)
"""All but `ready`, `resumed` and `error`, whose fields depend on the error (`native.errors`)."""
