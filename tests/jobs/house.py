"""Jobs with everything they stand on, in a directory: real database, files and sessions, webhooks that are
written and not sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer import usage as usage_
from streamer.blobs import Blobs, DirectoryBlobs
from streamer.clock import SteadyClock
from streamer.config import Settings
from streamer.database import Database
from streamer.engines.base import Engine
from streamer.engines.tone import Tone
from streamer.files import FileStore
from streamer.jobs import Jobs
from streamer.resources import Job, JobRequest
from streamer.sessions import open_session as speaking
from streamer.types import AudioFormat, OptionsUpdate, Start, Word
from streamer.usage import Usage
from streamer.voices import Catalogue
from streamer.webhooks import Webhooks

TEXT = "Hello there my friend. This is the second sentence."


class NoSender:
    """Refuses no URL and is never asked to send."""

    def check(self, url: str, *, param: str = "url") -> None:
        pass

    async def post(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("nothing is sent here")


def request(
    text: str = TEXT, *, timestamps: Any = "word", captions: bool = False, **fields: Any
) -> JobRequest:
    """A job whose first result has the seed 1."""
    options = fields.pop("options", OptionsUpdate(seed=1))
    audio = fields.pop("audio", AudioFormat("pcm_s16le", sample_rate=24000))
    start = Start("job", options, audio, timestamps=timestamps, captions=captions)
    return JobRequest(start, text, **fields)


def event(job: Job) -> Mapping[str, Any]:
    return {
        "id": job.id,
        "status": job.status,
        "results": len(job.results),
        "progress": job.progress,
        "attempts": job.attempts,
        "text_characters": job.text_characters,
        "finished": job.finished,
    }


@dataclass
class House:
    """What a test looks into. `blobs_in` is where the bytes are."""

    jobs: Jobs
    files: FileStore
    webhooks: Webhooks
    usage: Usage
    database: Database
    blobs_in: Path
    running: asyncio.Task[None] | None = None

    def run(self) -> None:
        self.running = asyncio.create_task(self.jobs.run())

    async def stop(self) -> None:
        if self.running is not None:
            self.running.cancel()
            await asyncio.wait([self.running])
            assert self.running.cancelled()
            self.running = None

    def blobs(self) -> set[str]:
        """Names of all there is, hidden ones too."""
        return {path.name for path in self.blobs_in.glob("*")} if self.blobs_in.exists() else set()

    async def events(self, key: str = "", job: str | None = None) -> list[str]:
        """Webhooks written, oldest first."""
        told = await self.webhooks.deliveries(key, job=job, limit=1000)
        return [delivery.event for delivery in reversed(told)]

    async def ended(self, key: str, id: str) -> Job:
        """The job, once it has ended."""
        return await self.until(key, id, "completed", "failed", "cancelled")

    async def until(self, key: str, id: str, *statuses: str) -> Job:
        async with asyncio.timeout(60):
            while (job := await self.jobs.get(key, id)).status not in statuses:
                await asyncio.sleep(0.005)
        return job

    async def bytes_of(self, key: str, id: str, result: int = 0) -> bytes:
        file = await self.jobs.file(key, id, result)
        path = Path(await self.files.locate(file))
        return await asyncio.to_thread(path.read_bytes)

    async def words_of(self, key: str, id: str, result: int = 0) -> tuple[Word, ...]:
        return (await self.jobs.words(key, id, result)).words

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        return await self.database.write(lambda c: c.execute(statement, values).fetchall())


@asynccontextmanager
async def house(
    directory: Path,
    *engines: Engine,
    blobs: Blobs | None = None,
    clock: Any = None,
    run: bool = True,
    callbacks: Callable[[Job], Any] = lambda job: None,
    **changes: Any,
) -> AsyncIterator[House]:
    """Jobs of these engines (tone). Everything is started; on the way out nothing may be left running."""
    settings = dataclasses.replace(Settings(), **changes)
    engines = engines or (Tone(),)
    catalogue = Catalogue({engine.name: engine for engine in engines})
    clock = clock or SteadyClock()
    path = directory / "streamer.sqlite3"
    schemas = [usage_.SCHEMA, FileStore.SCHEMA, Webhooks.SCHEMA, Jobs.SCHEMA]

    def open_session(start: Start, *, background: bool = True, key: str = "") -> Any:
        return speaking(
            start, catalogue=catalogue, settings=settings, paced=False, background=background
        )

    with (
        closing(Database(path, schemas)) as database,
        closing(Usage(path)) as usage,
    ):
        files = FileStore(database, blobs or DirectoryBlobs(directory / "files"), settings, clock)
        webhooks = Webhooks(database, NoSender(), clock, settings=settings)
        jobs = Jobs(
            *(database, files, webhooks, usage, open_session, settings, clock, event),
            encode_callbacks=callbacks,
            pause_s=0.02,
        )
        await files.start()
        await jobs.start()
        made = House(jobs, files, webhooks, usage, database, directory / "files")
        if run:
            made.run()
        try:
            yield made
        finally:
            await made.stop()
            await catalogue.aclose()
            assert jobs.counts.running == 0
