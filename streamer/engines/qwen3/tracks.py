"""A sequence as the loop that wants it and the thread that makes it share it. No torch."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from streamer.engines.base import Lead
from streamer.engines.qwen3.budget import Budget
from streamer.engines.qwen3.plans import Reason
from streamer.errors import StreamerError
from streamer.types import Samples

if TYPE_CHECKING:
    from streamer.engines.qwen3.prompt import Prompt, Prompts

Opening: TypeAlias = "Callable[[Prompts, Sequence[int], bool], Prompt]"
"""The prompt of ids, to which more may come or not. Called by the thread; raises typed errors."""


@dataclass(frozen=True, slots=True)
class Credit:
    """Little text is left to be heard; `dry`: none."""

    dry: bool


@dataclass(frozen=True, slots=True)
class Sound:
    """Whole frames of it."""

    samples: Samples
    frames: int


@dataclass(frozen=True, slots=True)
class Over:
    """All its sound is out. `frames`; `heard` rows of text went into them."""

    reason: Reason
    frames: int
    heard: int


@dataclass(frozen=True, slots=True)
class Failed:
    error: StreamerError


Event: TypeAlias = Credit | Sound | Over | Failed


@dataclass(eq=False, slots=True)
class Track:
    """What is asked of a worker. `tell` is called in `loop`, one event after the other, and never again
    after `Over` or `Failed`, or a cancellation.

    `more`: text will be fed, until it is ended. `reference` names the sound that the prompt goes on from,
    if it has one. `lead` is asked by the thread; `handed` counts frames that are on their way to `tell`.
    """

    opening: Opening
    ids: Sequence[int]
    more: bool
    seed: int
    budget: Budget
    lead: Lead
    tell: Callable[[Event], None]
    loop: AbstractEventLoop
    reference: Hashable | None = None
    handed: int = field(default=0, init=False)
    cancelled: bool = field(default=False, init=False)
