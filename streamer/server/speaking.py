"""What the server needs of a session: the seam where `streamer.session.Session`, or a scripted one, fits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Set
from typing import Protocol, runtime_checkable

from streamer.packets import Tap
from streamer.types import (
    Cue,
    Done,
    EndReason,
    Event,
    Interrupted,
    Paused,
    Start,
    Subscribe,
    Text,
)
from streamer.voices import Speaker


class Spoken(Protocol):
    """What is booked when a context ends."""

    @property
    def characters(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def underruns(self) -> int: ...

    @property
    def cost(self) -> float: ...


class Speaking(Spoken, Protocol):
    """One context. All but `events` are plain calls that may raise a `StreamerError`; `interrupted` and
    `done` are asked once `events` has been stopped; `pending` and `rehearse` are for jobs."""

    @property
    def rate(self) -> int:
        """Samples per second of the sound that a `Tap` is given."""
        ...

    @property
    def received(self) -> int:
        """Code points of the input so far."""
        ...

    @property
    def epoch(self) -> int:
        """Changes with every pause. An event that came out of `events` under another one is stale: it is not
        to be sent, and comes again after the pause."""
        ...

    def pause(self, played_ms: float | None = None) -> Paused:
        """`events` yields nothing more until `go_on`. Paused already, the same answer again."""
        ...

    def go_on(self) -> None:
        """`events` yields `Continued`, then what was not heard again. Nothing happens if not paused."""
        ...

    @property
    def pending(self) -> int: ...

    def rehearse(self) -> Speaker: ...

    def quote(self, command: Text) -> float: ...

    def text(self, command: Text) -> None: ...

    def cue(self, command: Cue) -> None: ...

    def flush(self) -> None: ...

    def end(self) -> None: ...

    def played(self, played_ms: float) -> None: ...

    def events(self) -> AsyncGenerator[Event, None]: ...

    def interrupted(self, played_ms: float | None = None) -> Interrupted: ...

    def done(self, reason: EndReason) -> Done: ...


@runtime_checkable
class Holding(Protocol):
    """A session with a place that others wait for."""

    def release(self) -> None:
        """It is over, whether `events` ever began or not."""
        ...


@runtime_checkable
class KeepsTime(Protocol):
    """A session whose sound has its time, and returns to it."""

    def missed(self, seconds: float) -> None:
        """The listener was away, and gets the last so many seconds of sound only now."""
        ...


class OpenSession(Protocol):
    """Makes a session: paced for live listeners, unpaced for downloads; in the background for jobs. `key`
    is whose voices it finds besides the engines'; `voices` are those that may speak, by their ids, where
    not all may; `tap` is given the sound as it is encoded."""

    def __call__(
        self,
        start: Start,
        *,
        paced: bool,
        background: bool = False,
        key: str = "",
        voices: Set[str] | None = None,
        tap: Tap | None = None,
    ) -> Speaking: ...


SessionFactory = Callable[[Start | Subscribe], Speaking]
"""Makes a session, or raises a `StreamerError` that says why there can't be one."""
