"""What keys have stored in a data directory, and a process that is killed while it deletes that: `python -m
tests.server.revoked DIRECTORY...`, killed before the first step in the first, the second in the second …"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import numpy as np

from streamer.blobs import DirectoryBlobs
from streamer.clock import SteadyClock
from streamer.database import Database
from streamer.engines.tone import Tone
from streamer.resources import JobRequest, OwnVoice, WebhookTarget
from streamer.server.access import Access
from streamer.server.auth import KeyStore
from streamer.server.resources import DATABASE, Resources, open_resources, open_voices
from streamer.server.revocations import Revocations
from streamer.server.run import sessions
from streamer.types import Start
from streamer.usage import Usage
from streamer.voices import Catalogue
from streamer.voices.files import new_id
from tests.server.running import settings_for

TABLES = ("jobs", "files", "webhook_endpoints", "webhook_secrets", "webhook_deliveries")


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Resources]:
    """All that a server keeps, started; nothing is spoken and nothing sent."""
    settings = settings_for(directory)
    voices = open_voices(settings, directory)
    opens = sessions(settings, Catalogue({"tone": Tone()}), voices)
    with closing(Usage(directory / DATABASE)) as usage:
        resources = open_resources(settings, directory, usage, opens, voices)
        try:
            await resources.start()
            yield resources
        finally:
            await resources.aclose()


async def look(directory: Path, resources: Resources) -> None:
    settings = settings_for(directory)
    access = Access(settings, KeyStore(directory), resources.tokens)
    await Revocations(access, resources, settings.keys_recheck_s).look()


async def stock(resources: Resources, key: str) -> None:
    """Two voices, two files, a job, one that was cancelled, whom to tell and what of."""
    for name in ("Ann", "Bob"):
        voice = OwnVoice(
            new_id(), key, "tone", "clone", ("en",), SteadyClock()(), name, passing=name == "Bob"
        )
        await resources.voices.keep(voice, {"x": np.ones(9, np.float32)})
        await resources.files.upload(key, b"sound of " + name.encode(), name=name)
    target = WebhookTarget("https://example.org/")
    for _ in range(2):
        asked = JobRequest(Start("job"), "Say it.", webhook=target)
        job, _ = await resources.jobs.submit(key, asked)
    await resources.jobs.cancel(key, job.id)
    await resources.webhooks.add_endpoint(key, "https://example.org/")
    await resources.webhooks.secret(key)


def kept(directory: Path, key: str) -> dict[str, int]:
    """How much of each there is of a key; of none nothing. Voices by their files on disk."""
    found: dict[str, int] = {}
    told = [path.read_text() for path in (directory / "voices").glob("*.json")]
    found["voices"] = sum(f'"key": "{key}"' in text for text in told)
    with closing(sqlite3.connect(directory / DATABASE)) as database:
        for table in TABLES:
            live = " AND deleted IS NULL" if table == "files" else ""
            query = f"SELECT COUNT(*) FROM {table} WHERE key = ?{live}"
            (found[table],) = database.execute(query, (key,)).fetchone()
    return {what: count for what, count in found.items() if count}


def blobs(directory: Path) -> tuple[int, int]:
    """How many files voices have, and uploads and results."""
    voices, files = directory / "voices", directory / "files"
    return sum(1 for _ in voices.glob("*")), sum(1 for _ in files.glob("*"))


def killed_before(step: int) -> None:
    """This process, when it is about to change what is stored for the so manieth time."""
    steps = iter(range(step + 1))

    def counted(change: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counting(*arguments: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return await change(*arguments)

        return counting

    for owner, name in (
        *((DirectoryBlobs, "delete"), (DirectoryBlobs, "sync")),
        (Database, "write"),
    ):
        setattr(owner, name, counted(getattr(owner, name)))


async def main(directory: Path, step: int) -> None:
    async with opened(directory) as resources:
        killed_before(step)
        await look(directory, resources)


if __name__ == "__main__":
    for number, argument in enumerate(sys.argv[1:]):
        child = os.fork()
        if not child:
            asyncio.run(main(Path(argument), number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
