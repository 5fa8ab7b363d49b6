"""The words everything here speaks: formats, text and sound in flight, commands in, events out.

Plain frozen data. Time is an integer count of samples; milliseconds exist only on the wire. Offsets
and lengths of text are Unicode code points of a context's whole input. Rates of speech (speed,
pitch, volume) are ratios, 1.0 unchanged. Terms are FFmpeg's (packet, pts) and RFC 6455's (message).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from streamer.errors import StreamerError

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono sound, shape (n,), nominally within -1..1."""

Cut = Literal["auto", "sentence", "clause", "none"]
Timestamps = Literal["none", "segment", "word", "char"]
Timing = Literal["model", "aligned", "estimated"]
"""How word times were got: from the model's own durations, by aligning sound to text, or guessed."""
Reason = Literal["sentence", "clause", "length", "timer", "flush", "end", "options", "language"]
"""Why a segment was cut where it was."""
Transport = Literal["binary", "json"]
EndReason = Literal["end", "cancelled", "idle", "drained"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the listener gets. `codec` is FFmpeg's name.

    None means "the codec's best for this voice"; `Started.audio` has every field filled in.
    `bit_rate` is in bit/s, `frame_ms` the length of one Opus frame.
    """

    codec: str = "opus"
    container: str = "none"
    sample_rate: int | None = None
    channels: int = 1
    bit_rate: int | None = None
    frame_ms: float | None = None


VoiceData: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""What a clone or a designed voice is made of: named arrays, no files."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording of somebody's voice, mono, and what is said in it ("": nobody knows)."""

    samples: Samples
    sample_rate: int
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """A voice in words, and what it says first, in BCP 47 `language` (or "auto")."""

    text: str
    preview_text: str
    language: str = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice an engine speaks with. `id` is unique per engine; `languages` are BCP 47, primary first.

    `data` is of a clone or a designed voice.
    """

    id: str
    engine: str
    name: str = ""
    languages: tuple[str, ...] = ("en",)
    gender: str = ""
    description: str = ""
    data: VoiceData | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do by itself. A range it lacks is done by `audio.dsp`, a style hint it can't
    follow is ignored with a named warning (refused when `strict`). `varies_by_seed`: another seed is
    another reading, that a listener can tell from the first. `price_per_1000`: what so many characters of
    it cost; None: the setting of that name. `prices` are of those who speak for it (`PcmChunk.engine`),
    by name. `models` are those that a client may name, with a price of their own or None."""

    speed: tuple[float, float] = (1.0, 1.0)
    pitch: tuple[float, float] = (1.0, 1.0)
    instructions: bool = False
    word_times: Timing = "estimated"
    clone: bool = False
    design: bool = False
    varies_by_seed: bool = False
    price_per_1000: float | None = None
    prices: Mapping[str, float | None] = field(default_factory=dict)
    models: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """How a segment is to be spoken, fully resolved: what engines see. `seed_drawn`: nobody asked for this
    seed. `model` is one of `Capabilities.models`; "": the engine's usual one."""

    voice: Voice
    language: str = "auto"
    instructions: str = ""
    speed: float = 1.0
    pitch: float = 1.0
    volume: float = 1.0
    seed: int = 0
    seed_drawn: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class OptionsUpdate:
    """Options as a client states them; None leaves what was (or the default)."""

    voice: str | None = None
    model: str | None = None
    language: str | None = None
    instructions: str | None = None
    speed: float | None = None
    pitch: float | None = None
    volume: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or clause on its way to an engine.

    `text` is what is to be spoken (after lexicon and normalisation); `offset` its place in the
    client's input. A word engine gets it in pieces that differ in `text` and `more` alone: `more` is true
    until the last, which may be empty. They end behind whole words; put together they are the whole text.
    """

    index: int
    text: str
    offset: int
    options: Options
    more: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the text. `start` and `end` in samples, `offset` in code points.

    From an engine: samples of its own rate from the start of the segment, offset into `Segment.text`.
    From a session: samples at `Started.audio.sample_rate` on the context's clock, offset into the
    client's input, `text` quoting that input exactly.
    """

    text: str
    start: int
    end: int
    offset: int


@dataclass(frozen=True, slots=True)
class PcmChunk:
    """Raw sound of one segment at the engine's rate. `last` ends the segment.

    `words` come no later than the first sample of theirs; each word once. `engine`: who spoke it, where
    that is not the engine that was asked. `lost`, of a last chunk: the rest of the segment failed.
    `total`: samples of the whole segment, where that is known and the engine tells no words of it, whose
    times are guessed by it then. `joins`, of a first chunk: it follows on the sound of the segment before,
    said in one breath with it, and no pause is to be put between.
    """

    samples: Samples
    segment: int
    words: tuple[Word, ...] = ()
    last: bool = False
    engine: str = ""
    lost: bool = False
    total: int | None = None
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Packet:
    """Encoded sound, in FFmpeg's sense. `pts` and `duration` in samples of the output rate;
    pts 0 is the first sample of sound, so a codec's lead-in has a negative pts."""

    data: bytes
    pts: int
    duration: int


# Commands: what a client asks for. `context` names the utterance.


@dataclass(frozen=True, slots=True)
class Authenticate:
    """A key that came in a first message (dialects that put it there)."""

    key: str


@dataclass(frozen=True, slots=True)
class Start:
    """Open a context. Fields as in docs/protocol.md; None takes the server's default."""

    context: str
    options: OptionsUpdate = OptionsUpdate()
    audio: AudioFormat = AudioFormat()
    transport: Transport = "binary"
    timestamps: Timestamps = "word"
    lead_ms: int | None = None
    cut: Cut = "auto"
    lexicon: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    trace: bool = False


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


# Events: what a client is told. Times in samples at `Started.audio.sample_rate`.


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
    """The text whose sound begins at `start`. `text` quotes the client's input at `offset`."""

    context: str
    index: int
    text: str
    offset: int
    start: int
    reason: Reason
    lost: bool = False
    trace: Trace | None = None


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
class Mark:
    """The sample of a mark that the client put into its text."""

    context: str
    mark: str
    pts: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What was heard. `heard_text` + `unspoken_text` is the whole input; a word is heard when its last
    sample has been played. `played` in samples; `clock` says whose play-out clock decided."""

    context: str
    heard_text: str
    heard_words: tuple[Word, ...]
    unspoken_text: str
    played: int
    clock: Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing more is sent for now. What was heard, as in `Interrupted`."""

    context: str
    heard_text: str
    heard_words: tuple[Word, ...]
    unspoken_text: str
    played: int
    clock: Literal["client", "server"]


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
    | Mark
    | Paused
    | Continued
    | Interrupted
    | Done
    | Failed
    | Idle
)
