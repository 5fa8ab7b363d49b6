"""How long a client waits before it tries another socket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from streamer.errors import StreamerError


@dataclass(frozen=True, slots=True)
class Patience:
    """How a client comes back: it waits `first_s`, then twice as long each time, up to `most_s`, and of
    each wait a random part ("full jitter"), so that not all clients come at once."""

    first_s: float = 0.25
    most_s: float = 10.0
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def waits(self) -> Iterator[float]:
        """Seconds before each attempt, without end."""
        most = self.first_s
        while True:
            yield self.chance() * most
            most = min(self.most_s, 2 * most)


def retry_after_s(error: Exception) -> float:
    """How long a server wants to be left alone, where it says."""
    after = error.details.get("retry_after_s") if isinstance(error, StreamerError) else None
    return after if isinstance(after, int | float) and after > 0 else 0.0
