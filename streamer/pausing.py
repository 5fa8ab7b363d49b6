"""What a pause stops and a continue sets going again: one who says something, at its own pace."""

from __future__ import annotations

import asyncio
from typing import Any


class Pausing:
    """`epoch` counts the pauses: what was about to be said under another one is not said."""

    def __init__(self) -> None:
        self.epoch = 0
        self.paused = False
        self._bell: asyncio.Future[None] | None = None

    def pause(self) -> None:
        self.epoch += 1
        self.paused = True
        self._ring()

    def go_on(self) -> None:
        self.paused = False
        self._ring()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long, or until it is paused, or goes on."""
        loop = asyncio.get_running_loop()
        bell = self._bell = loop.create_future()
        timer = loop.call_later(seconds, _set, bell)
        try:
            await bell
        finally:
            self._bell = None
            timer.cancel()

    async def wait(self, other: asyncio.Future[Any], seconds: float | None) -> None:
        """The same, or until the other has ended."""
        bell = self._bell = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({other, bell}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._bell = None

    def _ring(self) -> None:
        if self._bell is not None:
            _set(self._bell)


def _set(bell: asyncio.Future[None]) -> None:
    if not bell.done():
        bell.set_result(None)
