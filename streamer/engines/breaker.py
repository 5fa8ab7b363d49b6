"""A circuit breaker: an engine that keeps failing is left alone for a while, then tried by one.

Pure but for the clock, which is handed in. Knows no engines.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Literal, get_args

from streamer.errors import EngineFailed

log = logging.getLogger(__name__)

MAX_RETRY_AFTER_S = 600.0
"""A provider that asks for longer is tried again after this: it may be well long before."""

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = get_args(State)


class CircuitOpen(EngineFailed):
    """Not tried: it failed before."""


class Breaker:
    """Opens after `failures` in a row, or when told to come back later; `rest_s` after that one attempt at
    a time is let through, and its success closes it."""

    def __init__(
        self, name: str, *, failures: int, rest_s: float, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self._limit = failures
        self._rest_s = rest_s
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probe: Attempt | None = None

    @property
    def state(self) -> State:
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    def attempt(self) -> Attempt:
        """Begin an attempt; `Attempt.left` must follow. Raises `CircuitOpen` while it is open, and while
        another one tries."""
        if self._open_until is None:
            return Attempt(self)
        wait = self._open_until - self._clock()
        if wait > 0 or self._probe is not None:
            raise CircuitOpen(
                f"{self.name!r} has failed and is left alone for now",
                retry_after_s=max(1, math.ceil(wait)),
            )
        self._probe = Attempt(self)
        return self._probe

    def _sounded(self, attempt: Attempt) -> None:
        if attempt is self._probe:
            self._close(self._limit - 1)  # the next failure opens it again

    def _succeeded(self, attempt: Attempt) -> None:
        if self._open_until is None:
            self._failures = 0
        elif attempt is self._probe:
            self._close(0)

    def _failed(self, attempt: Attempt, retry_after_s: float | None) -> None:
        self._failures += 1
        probed = attempt is self._probe
        if probed:
            self._probe = None
        asked = retry_after_s is not None
        if not (probed or asked) and (self._open_until is not None or self._failures < self._limit):
            return
        rest_s = self._rest_s if retry_after_s is None else min(retry_after_s, MAX_RETRY_AFTER_S)
        until = self._clock() + rest_s
        if self._open_until is None or probed:
            log.warning("circuit opens", extra={"engine": self.name, "rest_s": rest_s})
        self._open_until = until if self._open_until is None else max(until, self._open_until)

    def _left(self, attempt: Attempt) -> None:
        if attempt is self._probe:
            self._probe = None

    def _close(self, failures: int) -> None:
        self._failures, self._open_until, self._probe = failures, None, None
        log.info("circuit closes", extra={"engine": self.name})


class Attempt:
    """A run of calls of one engine; its first outcome is the probe's."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def sounded(self) -> None:
        """There is sound, not all of it yet: enough for others to be let through."""
        self._breaker._sounded(self)

    def succeeded(self) -> None:
        """A segment has been spoken."""
        self._breaker._succeeded(self)

    def failed(self, retry_after_s: float | None = None) -> None:
        """`retry_after_s`: when it said it could be asked again."""
        self._breaker._failed(self, retry_after_s)

    def left(self) -> None:
        """No more outcomes: cancelled, or over."""
        self._breaker._left(self)
