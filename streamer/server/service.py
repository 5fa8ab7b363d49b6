"""What all connections and requests of one server share, and how they all end. Knows no starlette."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from streamer.clock import SteadyClock
from streamer.config import Settings
from streamer.engines.opening import EngineCounts
from streamer.errors import InternalError, InvalidParameter, KeyRevoked, StreamerError
from streamer.listeners import Listeners
from streamer.packets import Tap
from streamer.server.access import Access
from streamer.server.auth import Key, KeyStore
from streamer.server.channels import Channels
from streamer.server.enrolling import Enrolling
from streamer.server.limits import Clock, Limits
from streamer.server.meter import Ledger, Meter
from streamer.server.resources import Resources
from streamer.server.resuming import Resuming
from streamer.server.revocations import Revocations
from streamer.server.speaking import OpenSession, Speaking
from streamer.types import OptionsUpdate, Start, Subscribe
from streamer.usage import Usage
from streamer.voices import Catalogue, Enroller

log = logging.getLogger(__name__)

T = TypeVar("T")
DRAIN_POLL_S = 0.02


class Live(Protocol):
    """A connection as a server ends it."""

    @property
    def key(self) -> Key | None:
        """The key or token it came with; None where it has yet to say."""
        ...

    async def fail(self, error: StreamerError) -> None:
        """Tell the error, then close."""
        ...

    async def drain(self) -> None:
        """Let what is live end, then close."""
        ...

    async def finish(self) -> None:
        """Close now."""
        ...


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
        listeners: Listeners | None = None,
        engine_counts: EngineCounts | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.engine_counts = engine_counts or EngineCounts()
        self.access = Access(settings, keys, resources.tokens)
        self.resources = resources
        self.revocations = Revocations(self.access, resources, settings.keys_recheck_s)
        self.links = resources.links
        self.enroller = Enroller(
            catalogue, resources.voices, SteadyClock(), (listeners or Listeners()).let_pass
        )
        self.ledger = Ledger(
            Limits(settings, clock),
            usage,
            clock,
            reserved=resources.jobs.reserved,
        )
        self.enrolling = Enrolling(
            self.enroller, resources.voices, resources.jobs.voices, settings.price_per_1000
        )
        self.channels = Channels(settings, self.ledger.counters, clock)
        self.connections: set[Live] = set()
        self.resuming: Resuming[Any] = Resuming(self.ledger.counters)
        self._sessions = sessions
        self.failure: StreamerError | None = None
        """Why it could not start."""
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    def catalogue_of(self, key: str) -> Catalogue:
        """With the voices that this key has made."""
        return self.catalogue.seen_with(self.resources.voices.of(key))

    def open_session(self, start: Start | Subscribe, key: Key, *, paced: bool) -> Speaking:
        """What speaks for this key or token, or listens. Raises what is wrong with the start, and
        `ScopeMissing` for what it is not for: speech, a channel or a voice."""
        if start.transport == "none" and (isinstance(start, Subscribe) or start.channel is None):
            raise InvalidParameter(
                "'none' is for who speaks on a channel: nobody would hear it",
                param="audio.transport",
            )
        if isinstance(start, Subscribe):
            key.allow_listening(start.channel)
            return self.channels.subscribe(key.id, start)
        key.allow_speaking(start.channel)
        if start.channel is None:
            return self._sessions(start, paced=paced, key=key.id, voices=key.voices)

        def tapped(start: Start, tap: Tap) -> Speaking:
            return self._sessions(start, paced=paced, key=key.id, voices=key.voices, tap=tap)

        return self.channels.publish(key.id, start, tapped)

    async def prepare(self, key: str, options: OptionsUpdate | None) -> None:
        """Before a session is asked for these: if the voice is the key's own, it is read off the loop."""
        if options is not None and options.voice is not None:
            await self.resources.voices.ready(key, options.voice)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that no request waits for; it is cancelled where the server ends first."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """End the channels; cancel what is spawned."""
        await self.channels.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def meter(self, key: Key, request_id: str) -> Meter:
        return Meter(self.ledger, key, request_id)

    async def watch_keys(self) -> None:
        """Close connections whose key has been revoked, or given another secret, until cancelled."""
        while True:
            await asyncio.sleep(self.settings.keys_recheck_s)
            with suppress(InternalError):
                keyed = [(c, c.key) for c in self.connections]
                revoked = [c for c, k in keyed if k is not None and not self.access.live(k)]
                error = KeyRevoked("this key has been revoked, or its secret replaced")
                await asyncio.gather(*(c.fail(error) for c in revoked), return_exceptions=True)

    async def drain(self, forced: Callable[[], bool]) -> None:
        """Refuse what is new; jobs go back into their queue; let what is live finish, for `drain_s` or
        until `forced`; close all."""
        self.ledger.draining = True
        self.channels.drain()
        self.resuming.give_up()
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
