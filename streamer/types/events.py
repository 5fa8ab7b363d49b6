"""Events: what a client is told. Times in samples at `Started.audio.sample_rate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from streamer.errors import StreamerError
from streamer.types.speech import (
    AudioFormat,
    EndReason,
    Packet,
    Reason,
    SkipReason,
    Timing,
    Word,
)


@dataclass(frozen=True, slots=True)
class Ready:
    """The connection is open. `limits` are the settings that bind this key."""

    session: str
    token: str
    limits: Mapping[str, int | float]
    request_id: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of a context over a lost socket. Recovered: what was missed comes next, byte for byte.
    `characters`: how many of its input the server has; text from there is to be sent again."""

    recovered: bool
    characters: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    """The answer to `Resume`. `session` is the one that goes on: the one that was asked for, or, where that
    is gone, the new socket's own."""

    session: str
    contexts: Mapping[str, Recovered] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """The format really used. `header` is the codec's (OpusHead, FLAC's STREAMINFO, ...); `lead_in` is
    how many decoded samples precede pts 0."""

    context: str
    audio: AudioFormat
    mime: str
    header: bytes
    lead_in: int
    voice: str
    engine: str
    seed: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """When a segment passed each stage, in ms since the context's first text."""

    received_ms: float
    cut_ms: float
    synthesized_ms: float
    encoded_ms: float


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """The text whose sound begins at `start`. `text` quotes the client's input at `offset`; `voice` is the
    id of who speaks it. Of captions: the `cue` it is of, the `rate` it is spoken at, to fit,
    and by how many samples in all the listener was behind and the captions' clock left them out: what they
    have at a time is heard `shift` earlier in the sound."""

    context: str
    index: int
    text: str
    offset: int
    start: int
    reason: Reason
    lost: bool = False
    trace: Trace | None = None
    cue: str | None = None
    rate: float = 1.0
    voice: str = ""
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Audio:
    """One packet. `first` of its segment; `last` of the context; `lost`: sound is missing before it."""

    context: str
    packet: Packet
    first: bool = False
    last: bool = False
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """Word (or character) times; may come in parts, each word once, in order."""

    context: str
    words: tuple[Word, ...]
    timing: Timing
    unit: Literal["word", "char"] = "word"


@dataclass(frozen=True, slots=True)
class Late:
    """A cue begins so many samples (`by`) after its time, spoken at `rate`. `into`: in one breath with that
    cue. Comes before its sound."""

    context: str
    cue: str
    by: int
    rate: float
    into: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A cue is not spoken."""

    context: str
    cue: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Caption:
    """What is spoken from `start` to `end`, as a caption: one or two lines of `text`, with its words."""

    context: str
    index: int
    text: str
    start: int
    end: int
    words: tuple[Word, ...]
    cue: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The sample of a mark that the client put into its text."""

    context: str
    mark: str
    pts: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard. `heard_text` + `unspoken_text` is the whole input; a word is heard when its last
    sample has been played. `played` in samples; `clock` says whose play-out clock decided."""

    context: str
    heard_text: str
    heard_words: tuple[Word, ...]
    unspoken_text: str
    played: int
    clock: Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Interrupted(Heard):
    """The end, by `Interrupt`."""


@dataclass(frozen=True, slots=True)
class Paused(Heard):
    """Nothing more is sent for now."""


@dataclass(frozen=True, slots=True)
class Continued:
    """After a pause the sound goes on at `start`, with the character of the input at `offset`: what was
    sent and not heard comes again. Words, segments and marks that lie there are told again."""

    context: str
    start: int
    offset: int


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a context. `first_audio_ms`: from the first text to the first packet; `cost` in the unit
    of the setting `price_per_1000`, None where no price is set."""

    context: str
    reason: EndReason
    samples: int
    audio_ms: float
    characters: int
    first_audio_ms: float | None
    engine: str
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An error. Without context it ends the connection."""

    error: StreamerError
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """Told to a dialect, not to a client: no message for `Server.idle_s` seconds."""


Event: TypeAlias = (
    Ready
    | Resumed
    | Started
    | SegmentStarted
    | Audio
    | Words
    | Late
    | Skipped
    | Caption
    | Mark
    | Paused
    | Continued
    | Interrupted
    | Done
    | Failed
    | Idle
)
