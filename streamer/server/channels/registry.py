"""The channels of one server: who publishes, who listens, when they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from streamer.config import Settings
from streamer.errors import ChannelLimit, ContextConflict, NotFound
from streamer.server.channels.channel import Channel
from streamer.server.channels.place import Place
from streamer.server.channels.publication import OpenTapped, Publication
from streamer.server.channels.subscription import Subscription
from streamer.server.limits import RETRY_S
from streamer.server.metrics import Counters
from streamer.types import Start, Subscribe

log = logging.getLogger(__name__)


class Channels:
    """By the key they belong to ("" is none) and their names."""

    def __init__(self, settings: Settings, counters: Counters, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._open: dict[tuple[str, str], Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    def publish(self, key: str, start: Start, open_session: OpenTapped) -> Publication:
        """A session that is heard on the channel of the start, which is opened if need be. Raises
        `ContextConflict`, `ChannelLimit`, or what the session has against it."""
        assert start.channel is not None
        name = start.channel
        channel = self._open.get((key, name))
        if channel is not None and channel.publication is not None:
            raise ContextConflict(f"somebody speaks on the channel {name!r}", param="channel")
        limit = self._settings.key_channels
        if channel is None and sum(owner == key for owner, _ in self._open) >= limit:
            raise ChannelLimit(
                f"{limit} channels are open", param="channel", limit=limit, retry_after_s=RETRY_S
            )
        publication = Publication(start, open_session)
        publication.enter(channel or self._new(key, name, publication.rate))
        return publication

    def subscribe(self, key: str, command: Subscribe) -> Subscription:
        """A context that listens. Raises `NotFound`, `ChannelLimit`, or what is wrong with the format."""
        channel = self.find(key, command.channel)
        place = Place(channel, command.audio, channel.back(command.back_ms))
        return Subscription(command, place, self._counters)

    def find(self, key: str, name: str) -> Channel:
        """Raises `NotFound`."""
        channel = self._open.get((key, name))
        if channel is None:
            raise NotFound(f"no channel {name[:64]!r} is open", param="channel")
        return channel

    def drain(self) -> None:
        """Every channel ends as soon as nobody speaks on it."""
        self._draining = True
        for channel in list(self._open.values()):
            channel.close()

    async def aclose(self) -> None:
        """End all of them now."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _new(self, key: str, name: str, rate: int) -> Channel:
        def closed() -> None:
            if self._open.get((key, name)) is channel:
                del self._open[key, name]
                self._counters.channels -= 1

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            closed()
            if not task.cancelled() and (fault := task.exception()) is not None:
                log.error("a channel failed", exc_info=fault)

        channel = Channel(rate, self._settings, self._counters, self._clock, closed)
        self._open[key, name] = channel
        self._counters.channels += 1
        if self._draining:
            channel.close()
        task = asyncio.create_task(channel.run())
        self._tasks.add(task)
        task.add_done_callback(ended)
        return channel
