"""Listeners that cut in, give up or vanish: right to a word, silent afterwards, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streamer.config import Settings
from streamer.engines.hibari import open_engine
from streamer.engines.tone import Tone
from streamer.server.run import sessions
from streamer.session import Session
from streamer.voices import Catalogue
from tests.robustness.checks import files_back, footprint, log_is_clean, speaks, threads_back
from tests.robustness.interrupts import interrupt_streams, reset_sockets, speak_scripts
from tests.server.running import Running, running, settings_for
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone,hibari") as process:
        yield process
        log_is_clean(process, "quite a while", "sequel")


@pytest.mark.asyncio
@pytest.mark.parametrize("voice", ["tone-low", "heart"])
async def test_words_of_marked_up_text_are_all_told(server: ServerProcess, voice: str) -> None:
    await speak_scripts(server, voice)


@pytest.mark.asyncio
async def test_60_interrupts_at_random_moments_are_right_to_a_word(server: ServerProcess) -> None:
    await speaks(server)
    await interrupt_streams(server, 10, seed=1)
    before = footprint(server)
    endings = await interrupt_streams(server, 60, seed=2)
    assert endings.total() == 60
    assert endings["interrupted"] >= 20
    assert endings["cancelled"] >= 5
    await files_back(server, before.files)
    await threads_back(server, before.threads)


@pytest.mark.asyncio
async def test_20_sockets_that_are_reset_free_their_places(server: ServerProcess) -> None:
    await speaks(server)
    before = footprint(server)
    await reset_sockets(server, 20, seed=3)
    await files_back(server, before.files)
    await threads_back(server, before.threads)
    await speaks(server)


@dataclass(frozen=True)
class InProcess:
    """A server in this process, for what asks for a `ServerProcess`: here tasks can be counted."""

    running: Running

    @property
    def websocket_url(self) -> str:
        return self.running.url.replace("http", "ws") + "/v1/stream"

    def metrics(self) -> dict[str, float]:
        counters = self.running.service.ledger.counters
        return {
            "streamer_active_contexts": counters.active_contexts,
            "streamer_connections": counters.connections,
        }


@pytest.mark.asyncio
async def test_interrupts_leave_no_task_no_session_and_no_step_of_an_engine(tmp_path: Path) -> None:
    """Also without the garbage collector: an encoder holds memory and threads that it knows nothing of."""
    hibari = open_engine(Settings(workers=1))
    catalogue = Catalogue({"tone": Tone(), "hibari": hibari})
    real = sessions(settings_for(tmp_path), catalogue)
    async with running(tmp_path, catalogue=catalogue, sessions=real) as live:
        server: Any = InProcess(live)
        await interrupt_streams(server, 4, seed=4)
        await asyncio.sleep(0.3)
        gc.collect()
        gc.disable()
        try:
            tasks = len(asyncio.all_tasks())
            await interrupt_streams(server, 20, seed=5)
            counts = hibari.workers.counts
            await quiet(
                lambda: (
                    len(asyncio.all_tasks()) <= tasks
                    and (counts.queued, counts.running, counts.dropped) == (0, 0, 0)
                    and not [thing for thing in gc.get_objects() if type(thing) is Session]
                )
            )
        finally:
            gc.enable()


async def quiet(condition: Callable[[], bool]) -> None:
    """Let what has been closed end."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.1)
