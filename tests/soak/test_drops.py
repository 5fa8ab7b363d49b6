"""Two hundred lost sockets: every sound and every word all the same, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from tests.robustness.caption_drops import captions_over_drops, listen_over_drops
from tests.robustness.checks import (
    files_back,
    footprint,
    idle,
    log_is_clean,
    metric,
    speaks,
    threads_back,
)
from tests.robustness.drops import PATIENT, pause_over_drops, speak_over_drops
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.asyncio
async def test_200_lost_sockets_are_not_heard() -> None:
    with running_server("tone,hibari", PATIENT) as server:
        await speaks(server)
        await speaks(server, voice="heart")
        before = footprint(server)
        assert await speak_over_drops(server, 200, seed=7) >= 120
        assert await pause_over_drops(server, 100, seed=8) >= 150
        assert await captions_over_drops(server, 40, seed=9) >= 20
        assert await listen_over_drops(server, 20, seed=9) >= 15
        await idle(server)
        async with asyncio.timeout(60):
            while await metric(server, "streamer_detached_connections"):
                await asyncio.sleep(0.1)
        await files_back(server, before.files)
        await threads_back(server, before.threads)
        await speaks(server)
        log_is_clean(server)
