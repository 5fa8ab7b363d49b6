"""What a `scheduler.Scheduler` says and what it keeps of each sequence. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

FRAME_SECONDS = 0.08
Reason = Literal["stop", "length", "repeated"]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Limits:
    """`slots`: sequences at once. `rows`: the most of one step, `codec_rows` of one codec call.
    `chunks`: frames of the first codec calls of a sequence, the last for all further ones; with `exact`
    the end takes as many frames as are left, else as many as the next of `chunks`, and what is too
    much is cut off (a graph has a fixed length). `ahead`: seconds of lead from which a sequence rests
    until it has half of them. `hold`: the most frames launched and not fetched. `steps`, `calls`: how
    many may be on their way to be seen. `patience`: seconds for which text may be late in a slot that
    others wait for. Raises `ValueError` for a `hold` that chunks would wait behind.
    """

    slots: int
    rows: int = 128
    codec_rows: int = 64
    chunks: tuple[int, ...] = (1, 2, 4, 8)
    exact: bool = False
    ahead: float = 2.0
    hold: int = 64
    steps: int = 2
    calls: int = 8
    patience: float = 0.5

    def __post_init__(self) -> None:
        if self.hold < 2 * max(self.chunks):
            raise ValueError("a sequence must hold two chunks")


@dataclass(slots=True, eq=False)
class Running(Generic[K]):
    """A sequence, waiting or with a slot; the scheduler's own."""

    key: K
    order: int
    lead: Callable[[], float]
    rows: int
    """Of text, fed so far."""
    text_ended: bool
    limit: int
    slot: int = -1
    launched: int = 0
    seen: int = 0
    sent: int = 0
    handed: int = 0
    fetched: int = 0
    calls: int = 0
    end: int | None = None
    reason: Reason = "length"
    resting: bool = False
    stepped_at: int = 0
    late_at: float | None = None
    """When it was first seen to wait for text while others waited for slots."""
    swapped: bool = False
    gone: bool = False

    @property
    def dry(self) -> bool:
        """Whether all its text was heard, and more is to come."""
        return self.end is None and not self.text_ended and self.launched >= self.rows

    @property
    def still(self) -> bool:
        """Whether nothing is on its way for it."""
        return self.seen == self.launched and self.handed == self.sent

    def seconds(self) -> float:
        """The listener's lead and what is on its way to it; -inf if nothing was begun."""
        lead = self.lead()
        if lead == -math.inf:
            return self.launched * FRAME_SECONDS if self.launched else lead
        return lead + (self.launched - self.handed) * FRAME_SECONDS

    def may_step(self, limits: Limits) -> bool:
        return (
            self.end is None
            and self.launched < self.limit
            and (self.text_ended or self.launched < self.rows)
            and self.launched - self.fetched < limits.hold
        )


@dataclass(frozen=True, slots=True)
class Row(Generic[K]):
    """One frame of a step: to be made in `slot`."""

    slot: int
    frame: int
    sequence: Running[K] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[K]):
    """One call of the codec: the same number of `frames` for each row, from its `frame` on."""

    frames: int
    rows: tuple[Row[K], ...]


@dataclass(frozen=True, slots=True)
class Sound(Generic[K]):
    """What row number `row` of a call gave: `frames` of it, counted from its beginning, are sound."""

    key: K
    row: int
    frames: int


@dataclass(frozen=True, slots=True)
class Finished(Generic[K]):
    """All its sound was handed on; the slot is free."""

    key: K
    slot: int
    frames: int
    reason: Reason
