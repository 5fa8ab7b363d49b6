"""What a revoked key has stored is deleted, also where it was revoked while no server ran."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from streamer.errors import InternalError, StreamerError
from streamer.server.access import Access
from streamer.server.resources import Resources

log = logging.getLogger(__name__)


class Keeps(Protocol):
    """What has things of keys. Both may raise `StorageUnavailable` or `StorageFull`."""

    async def keeps(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys of which it has any."""
        ...

    async def forget_key(self, key: str) -> None:
        """Delete them."""
        ...


class Revocations:
    """Nothing is kept of what has been done: what a request that was under way has stored behind the key's
    back, or a crash has left, is found by the next look."""

    def __init__(self, access: Access, resources: Resources, every_s: float) -> None:
        self._access = access
        self._every_s = every_s
        # Jobs go first: they speak with voices, make files and send webhooks.
        self._kept: tuple[Keeps, ...] = (
            *(resources.jobs, resources.voices, resources.files),
            resources.webhooks,
        )

    async def run(self) -> None:
        """Look every so often, until cancelled."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()

    async def look(self) -> None:
        """Delete what there is. Raises nothing: what can't be deleted now is found again."""
        try:
            revoked = self._access.revoked()
        except InternalError:  # told in the log: the keys can't be read
            return
        if not revoked:
            return
        for kept in self._kept:
            try:
                keys = await kept.keeps(revoked)
            except StreamerError as error:
                log.warning("revoked keys not looked for", extra={"error": error.code})
                continue
            for key in keys:
                await self._forget(kept, key)

    async def _forget(self, kept: Keeps, key: str) -> None:
        about = {"key": key, "of": type(kept).__name__}
        try:
            await kept.forget_key(key)
            log.info("revoked key forgotten", extra=about)
        except StreamerError as error:
            log.warning("revoked key not forgotten", extra={**about, "error": error.code})
