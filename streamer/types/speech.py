"""Formats, voices and options; text and sound in flight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[np.float32]
"""Mono sound, shape (n,), nominally within -1..1."""

Cut = Literal["auto", "sentence", "clause", "none"]
Timestamps = Literal["none", "segment", "word", "char"]
Timing = Literal["model", "aligned", "estimated"]
"""How word times were got: from the model's own durations, by aligning sound to text, or guessed."""
Reason = Literal["sentence", "clause", "length", "timer", "flush", "end", "options", "language"]
"""Why a segment was cut where it was."""
Transport = Literal["binary", "json", "none"]
EndReason = Literal["end", "cancelled", "idle", "drained"]
Input = Literal["text", "captions"]
"""What a context takes: running text, or timed cues."""
Overrun = Literal["late", "merge", "skip"]
"""What becomes of a cue whose time has come while the one before is still spoken: it begins later, those
that wait are said in one breath, or it is left out."""
Overlap = Literal["queue", "mix"]
"""Cues whose times overlap: one after the other, or at once."""
Descriptions = Literal["skip", "speak"]
SkipReason = Literal["late", "description", "repeat", "empty", "invalid", "spoken"]
"""Why a cue is not spoken: it would be too late, it describes a sound, it says again what was said (roll-up),
it has nothing to say, it can't be read or its times can't be, or what it corrects has been spoken."""


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
