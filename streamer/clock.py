"""Time of day that does not jump while we run, for what is kept and what expires."""

from __future__ import annotations

import time
from collections.abc import Callable


def _elapsed() -> float:
    """Seconds that also pass while the machine sleeps, where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SteadyClock:
    """Unix time as it was when the process started, plus what has passed since.

    When the system's clock is set while we run (NTP, an operator, an hour in one step), nothing expires
    early and no timer waits an hour too long; the new time counts from the next start on.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = _elapsed,
    ) -> None:
        self._elapsed = elapsed
        self._start = wall() - elapsed()

    def __call__(self) -> float:
        """Seconds since 1970, UTC."""
        return self._start + self._elapsed()
