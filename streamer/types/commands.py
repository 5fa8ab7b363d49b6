"""Commands: what a client asks for. `context` names the utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from streamer.types.speech import (
    AudioFormat,
    Cut,
    Descriptions,
    Input,
    OptionsUpdate,
    Overlap,
    Overrun,
    Timestamps,
    Transport,
)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A key that came in a first message (dialects that put it there)."""

    key: str


@dataclass(frozen=True, slots=True)
class CueOptions:
    """How cues are spoken in time. `origin_ms` is the caption time at which the sound begins; None: that of
    the first cue, when that comes. `delay_ms`: the sound is heard so much later than the caption clock says
    (paced contexts). A cue is hurried by `max_rate` at most, and is `max_late_ms` late at most. `speakers`
    are the voices of names in the captions."""

    origin_ms: float | None = 0.0
    delay_ms: float = 0.0
    max_rate: float = 1.35
    overrun: Overrun = "late"
    max_late_ms: float = 3000.0
    overlap: Overlap = "queue"
    speakers: Mapping[str, str] = field(default_factory=dict)
    descriptions: Descriptions = "skip"


@dataclass(frozen=True, slots=True)
class Start:
    """Open a context. Fields as in docs/protocol.md; None takes the server's default.

    `input` "captions": text is WebVTT or SRT, and `Cue`s are taken. `captions`: what is spoken is told as
    captions too. `channel`: it is published under that name; with `transport` "none" it is not sent its own
    sound.
    """

    context: str
    options: OptionsUpdate = field(default_factory=OptionsUpdate)
    audio: AudioFormat = field(default_factory=AudioFormat)
    transport: Transport = "binary"
    timestamps: Timestamps = "word"
    lead_ms: int | None = None
    cut: Cut = "auto"
    lexicon: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    trace: bool = False
    input: Input = "text"
    cues: CueOptions = field(default_factory=CueOptions)
    captions: bool = False
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of text, of any size. `at` is the offset of its first character in the context's
    input: what is already here is dropped, a hole is `text_gap`. `options` begin a new segment."""

    context: str
    text: str
    at: int | None = None
    mark: str | None = None
    options: OptionsUpdate | None = None


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of a context of captions. The same `id` again extends or corrects one that is not spoken; "":
    the server numbers it. Without `start_ms` it is spoken when it comes. `voice` is a voice, or a name of
    `CueOptions.speakers`."""

    context: str
    text: str
    id: str = ""
    start_ms: float | None = None
    end_ms: float | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Listen to a channel, as a context of this connection: from `back_ms` ago on, where that is kept."""

    context: str
    channel: str
    audio: AudioFormat = field(default_factory=AudioFormat)
    transport: Transport = "binary"
    timestamps: Timestamps = "word"
    captions: bool = False
    back_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Flush:
    """Speak what is buffered now."""

    context: str


@dataclass(frozen=True, slots=True)
class End:
    """No more text: finish, then `Done`."""

    context: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Barge-in: stop at once and say what was heard. No context: all of them."""

    context: str | None = None
    played_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop and forget. No context: all of them."""

    context: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop sending, say what was heard, keep the rest."""

    context: str
    played_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on from the first word not heard. Nothing happens in a context that is not paused."""

    context: str


@dataclass(frozen=True, slots=True)
class Resume:
    """First message on a new socket after a lost one. `received`: the last sequence number that arrived of
    each context; a context of which nothing did is left out."""

    session: str
    token: str
    received: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """The listener's own report of how far it has played, on the context's sound clock."""

    context: str
    played_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """The listener's figures, once, after the end of a context."""

    context: str
    first_sound_ms: float | None = None
    underruns: int | None = None
    drift_ppm: float | None = None
    network_ms: float | None = None


Command: TypeAlias = (
    Authenticate
    | Start
    | Text
    | Cue
    | Subscribe
    | Flush
    | End
    | Interrupt
    | Cancel
    | Pause
    | Continue
    | Resume
    | Played
    | Report
)
