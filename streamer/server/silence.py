"""A client that says nothing: the dialect may want to know, and who uses nothing is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streamer.protocols.base import Server


class Silence:
    """How long a client has said nothing, and had nothing to say."""

    def __init__(self, dialect: Server, idle_s: float) -> None:
        self._dialect = dialect
        self._idle_s = idle_s
        self._heard_at = asyncio.get_running_loop().time()

    def heard(self) -> None:
        """It has said something."""
        self._heard_at = asyncio.get_running_loop().time()

    async def watch(
        self,
        busy: Callable[[], bool],
        tell: Callable[[], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        """`tell` each silence of `Server.idle_s`; `close`, and end, once nobody was `busy` for `idle_s`."""
        loop, told_at, used_at = asyncio.get_running_loop(), -1.0, self._heard_at
        while True:
            now = loop.time()
            used_at = now if busy() else max(used_at, self._heard_at)
            wait = used_at + self._idle_s - now
            if wait <= 0:
                await close()
                return
            silence_s = self._dialect.idle_s
            if silence_s is not None and told_at < self._heard_at:
                if self._heard_at + silence_s <= now:
                    told_at = now
                    await tell()
                    continue
                wait = min(wait, self._heard_at + silence_s - now)
            # Looked at again before the time is up: a context may end, and the time begin, meanwhile.
            await asyncio.sleep(min(wait, self._idle_s / 10) + 0.001)
