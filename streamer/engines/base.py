"""The engine contract and the table of engines. An engine turns segments of text into sound.

Engines never cut text, never look names up, never know of sessions, sockets or servers.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

from streamer.errors import InvalidParameter
from streamer.types import (
    Capabilities,
    Description,
    PcmChunk,
    Reference,
    Segment,
    Voice,
    VoiceData,
)

if TYPE_CHECKING:
    from streamer.config import Settings

Lead = Callable[[], float]
"""How many seconds of sound the listener still has; -inf before the first sample. May be asked from
any thread: it only reads."""


class Engine(Protocol):
    """What every engine is; `tests/engines/conformance.py` checks it for every row of `ENGINES`. Some have
    more: `CONTRACT`.

    `synthesize` yields the chunks of each segment in order, the last one marked; it may take the next
    segment before the one it was given has been fetched, but holds a bounded amount. Failures are
    `EngineFailed`. Closing the iterator (also in the middle of a step, also by cancelling the task
    that awaits it) frees everything it held at once; a step that is running may run to its end, its
    result is dropped. An engine that shares workers asks `lead` at every scheduling decision and
    serves the smallest first.
    """

    name: str
    sample_rate: int
    """Hz of the mono float32 sound."""
    granularity: Literal["sentence", "word"]
    """"word": may be handed a segment in pieces (`Segment.more`)."""
    voices: Sequence[Voice]
    capabilities: Capabilities

    def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]: ...

    async def aclose(self) -> None:
        """Free workers and models. Iterators still open end with `EngineFailed`."""
        ...


class Enrolling(Protocol):
    """What an engine has besides, whose capabilities name `clone` or `design`."""

    async def enroll(self, source: Reference | Description) -> VoiceData:
        """What a voice is made of that is as recorded, or as described: `Voice.data`."""
        ...


class Versioned(Protocol):
    """What an engine may have besides, whose sound hangs on more than its name."""

    version: str
    """Which sound it makes. Phrases are kept under it."""


@dataclass(slots=True)
class SequenceCounts:
    """What became of a model's sequences. `ended`: by how; `retries`: those that were said again with
    another seed, since they did not come out well."""

    ended: Counter[str] = field(default_factory=Counter)
    retries: int = 0


@runtime_checkable
class Counted(Protocol):
    """What an engine may have besides, for the server's metrics. They ask it itself, so that an engine around
    it has none."""

    @property
    def sequence_counts(self) -> SequenceCounts: ...


@runtime_checkable
class Breakable(Protocol):
    """What an engine may have besides, that can break for good. Asked as `Counted` is."""

    @property
    def broken(self) -> str:
        """Why, for whoever looks after the server: it has to be started anew. "" while it speaks."""
        ...


CONTRACT: tuple[type, ...] = (Engine, Enrolling, Versioned)
"""Whatever an engine can have. Engines around engines pass all of it on (`streamer.engines.around`)."""


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One row of `ENGINES`: `target` is `module:callable`, called with the settings, and may block
    (it loads and warms the model); `about` is for `streamer doctor`."""

    target: str
    about: str


ENGINES: dict[str, EngineRow] = {
    "hibari": EngineRow(
        "streamer.engines.hibari:open_engine", "embedded English neural voice, CPU, real time"
    ),
    "tone": EngineRow(
        "streamer.engines.tone:open_engine", "deterministic test tones with word times"
    ),
    "qwen3": EngineRow(
        "streamer.engines.qwen3:open_engine", "Qwen3-TTS checkpoints in ten languages, GPU"
    ),
    "crun": EngineRow("streamer.engines.hosted:open_crun", "crun's voices"),
    "runware": EngineRow("streamer.engines.hosted:open_runware", "Runware's voices"),
    "modelstream": EngineRow("streamer.engines.hosted:open_modelstream", "ModelStream's voices"),
    "aimlapi": EngineRow("streamer.engines.hosted:open_aimlapi", "AI/ML API's voices"),
    "evolink": EngineRow("streamer.engines.hosted:open_evolink", "Evolink's voices"),
    "openai": EngineRow("streamer.engines.hosted:open_openai", "any server of OpenAI's speech API"),
}


def open_engine(name: str, settings: Settings) -> Engine:
    """Load the engine of that row, or an outsider's `module:callable`. Blocks until it is warm."""
    row = ENGINES.get(name)
    target = row.target if row else name
    module, colon, attribute = target.partition(":")
    if not colon:
        raise InvalidParameter(
            f"no engine {name!r}; there are {', '.join(ENGINES)}", param="engines"
        )
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidParameter(
            f"engine {name!r} can't be loaded: {error}", param="engines"
        ) from error
    return cast(Engine, factory(settings))
