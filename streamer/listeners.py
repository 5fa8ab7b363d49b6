"""Who listens right now, so that work nobody waits for can step aside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_S, LOOKS = 0.005, 50
"""How often it is looked whether a listener still waits, and how many times at most before work goes on,
so that jobs get on, slowly, on a server that is always busy."""


class Listeners:
    """The live contexts of one process, and whether one of them waits for sound."""

    def __init__(self) -> None:
        self._waits: set[Callable[[], bool]] = set()

    @contextmanager
    def listening(self, waits: Callable[[], bool]) -> Iterator[None]:
        """Somebody listens; `waits()` says whether for sound that is not there yet."""
        self._waits.add(waits)
        try:
            yield
        finally:
            self._waits.discard(waits)

    @property
    def waiting(self) -> bool:
        return any(waits() for waits in self._waits)

    async def let_pass(self) -> None:
        """Wait while a listener does, a quarter of a second at most."""
        for _ in range(LOOKS):
            if not self.waiting:
                return
            await asyncio.sleep(LOOK_S)
