"""What all connections and requests of one server share, and how they all end. Knows no starlette."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from streamer.config import Settings
from streamer.errors import InternalError, KeyRevoked, StreamerError
from streamer.server.access import Access
from streamer.server.auth import Key, KeyStore
from streamer.server.connection import Connection
from streamer.server.limits import Clock, Limits
from streamer.server.meter import Ledger, Meter
from streamer.server.resources import Resources
from streamer.server.speaking import OpenSession
from streamer.usage import Usage
from streamer.voices import Catalogue

log = logging.getLogger(__name__)

DRAIN_POLL_S = 0.02


class Service:
    """One server."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        keys: KeyStore,
        usage: Usage,
        sessions: OpenSession,
        resources: Resources,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.access = Access(settings, keys)
        self.resources = resources
        self.links = resources.links
        self.ledger = Ledger(
            Limits(settings, clock),
            usage,
            clock,
            settings.price_per_1000,
            reserved=resources.jobs.reserved,
        )
        self.connections: set[Connection] = set()
        self.open_session = sessions
        self.failure: StreamerError | None = None
        """Why it could not start."""
        self._clock = clock

    def meter(self, key: Key, request_id: str) -> Meter:
        return Meter(self.ledger, key, request_id)

    async def watch_keys(self) -> None:
        """Close connections whose key has been revoked, until cancelled."""
        while True:
            await asyncio.sleep(self.settings.keys_recheck_s)
            with suppress(InternalError):
                revoked = [c for c in self.connections if not self.access.live(c.key)]
                error = KeyRevoked("this key has been revoked")
                await asyncio.gather(*(c.fail(error) for c in revoked), return_exceptions=True)

    async def drain(self, forced: Callable[[], bool]) -> None:
        """Refuse what is new; jobs go back into their queue; let what is live finish, for `drain_s` or
        until `forced`; close all."""
        self.ledger.draining = True
        deadline = self._clock() + self.settings.drain_s
        jobs = asyncio.create_task(self._drain_jobs())
        closing = [jobs, *(asyncio.create_task(c.drain()) for c in self.connections)]
        while (self.ledger.charges or self.connections or not jobs.done()) and not forced():
            if self._clock() >= deadline:
                break
            await asyncio.sleep(DRAIN_POLL_S)
        for task in closing:
            task.cancel()
        rest = [asyncio.create_task(c.finish()) for c in self.connections]
        if rest and not forced():
            await asyncio.wait(rest, timeout=self.settings.send_timeout_s)
        for task in rest:
            task.cancel()

    async def _drain_jobs(self) -> None:
        try:
            await self.resources.jobs.drain()
        except StreamerError as error:  # the next start finds them running, and takes them up
            log.warning("jobs not given back", extra={"error": error.code})
