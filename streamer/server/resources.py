"""What outlives a request, put together: one database, and all that keeps something in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from streamer import usage as usage_
from streamer.blobs import DirectoryBlobs
from streamer.clock import SteadyClock
from streamer.config import Settings
from streamer.database import Database
from streamer.fetch import Fetcher
from streamer.files import FileStore
from streamer.guard import Guard
from streamer.jobs import Jobs
from streamer.protocols.native.jobs import encode_event
from streamer.resources import Job
from streamer.server.hosted.table import APIS
from streamer.server.links import Links
from streamer.server.speaking import OpenSession, Speaking
from streamer.server.tokens import Tokens
from streamer.types import Start
from streamer.usage import Usage
from streamer.voices import VoiceStore
from streamer.webhooks import Webhooks

log = logging.getLogger(__name__)

DATABASE = "streamer.sqlite3"
FILES = "files"
VOICES = "voices"
AGAIN_S = 1.0
"""A loop that ended by a fault of ours begins again after this time."""


@dataclass(frozen=True, slots=True)
class Resources:
    """All of one server. `start`, then `run`; `aclose` in any case."""

    database: Database
    fetcher: Fetcher
    guard: Guard
    files: FileStore
    webhooks: Webhooks
    jobs: Jobs
    links: Links
    voices: VoiceStore
    tokens: Tokens

    async def start(self) -> None:
        """Take up what an earlier process left. Raises `StorageUnavailable` or `StorageFull`."""
        await self.tokens.start()
        await self.files.start()
        await self.voices.start()
        await self.webhooks.start()
        await self.jobs.start()

    async def run(self) -> None:
        """Sweep, speak and deliver until cancelled; jobs stop first, so that their ends are told."""
        async with AsyncExitStack() as stack:
            voices = partial(self.voices.run, self.jobs.voices)
            for loop in (self.files.run, self.webhooks.run, voices, self.jobs.run):
                task = asyncio.create_task(_kept_up(loop))
                stack.push_async_callback(stop, task)
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        """Close all, also where one of them fails or the caller is cancelled."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.database.close)
            stack.push_async_callback(self.fetcher.aclose)
            stack.push_async_callback(self.guard.aclose)


def open_voices(settings: Settings, directory: Path) -> VoiceStore:
    """The voices of a data directory, of which nothing is read yet."""
    return VoiceStore(DirectoryBlobs(directory / VOICES), settings, SteadyClock())


def open_resources(
    settings: Settings,
    directory: Path,
    usage: Usage,
    sessions: OpenSession,
    voices: VoiceStore | None = None,
) -> Resources:
    """All of a data directory, of its voices too where they are not given. No thread and no process begins
    here.

    Raises `StorageUnavailable` or `StorageFull`, and `InvalidParameter` for bad settings.
    """
    clock = SteadyClock()
    fetcher = Fetcher(
        allow=settings.fetch_allow, ports=settings.fetch_ports, timeout_s=settings.fetch_timeout_s
    )
    schemas = [usage_.SCHEMA, FileStore.SCHEMA, Webhooks.SCHEMA, Jobs.SCHEMA, Tokens.SCHEMA]
    database = Database(directory / DATABASE, schemas)
    files = FileStore(database, DirectoryBlobs(directory / FILES), settings, clock)
    webhooks = Webhooks(database, fetcher, clock, settings=settings)
    links = Links(settings, files)
    jobs = Jobs(
        database=database,
        files=files,
        webhooks=webhooks,
        usage=usage,
        open_session=partial(_unheard, sessions),
        settings=settings,
        clock=clock,
        encode_event=partial(_event, links),
        encode_callbacks=partial(_callbacks, links),
    )
    voices = voices or open_voices(settings, directory)
    tokens = Tokens(database, clock)
    return Resources(database, fetcher, Guard(), files, webhooks, jobs, links, voices, tokens)


def _event(links: Links, job: Job) -> Mapping[str, Any]:
    return encode_event(job, links.from_base(job.base_url))


def _unheard(
    sessions: OpenSession, start: Start, *, background: bool = True, key: str = ""
) -> Speaking:
    """A session for a job: nobody listens, but somebody may wait."""
    return sessions(start, paced=False, background=background, key=key)


def _callbacks(links: Links, job: Job) -> Sequence[Mapping[str, Any]] | None:
    """As the API words it that the job came by."""
    api = APIS.get(job.request.dialect)
    return None if api is None else api.dialect.encode_callbacks(job, links.from_base(job.base_url))


async def _kept_up(loop: Callable[[], Awaitable[None]]) -> None:
    """Run it until cancelled, however often it fails."""
    while True:
        try:
            await loop()
        except Exception as fault:
            log.error("fault", exc_info=fault)
        await asyncio.sleep(AGAIN_S)


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a loop, and wait until it has ended."""
    task.cancel()
    await asyncio.wait([task])
