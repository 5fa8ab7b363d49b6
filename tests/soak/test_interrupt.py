"""Hundreds of listeners that cut in, give up or vanish: memory, threads and files stay what they were."""

from __future__ import annotations

import pytest

from tests.robustness.checks import (
    GROWTH,
    files_back,
    footprint,
    log_is_clean,
    speaks,
    threads_back,
)
from tests.robustness.interrupts import interrupt_streams, reset_sockets
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.asyncio
async def test_400_interrupts_and_200_resets_leave_nothing_behind() -> None:
    with running_server("tone,hibari") as server:
        await interrupt_streams(server, 300, seed=1)
        await reset_sockets(server, 100, seed=1)
        before, readings = footprint(server), []
        for seed in range(2, 6):
            endings = await interrupt_streams(server, 100, seed=seed)
            assert endings["interrupted"] >= 40
            assert endings["cancelled"] >= 10
            readings.append(server.memory())
        await reset_sockets(server, 200, seed=6)
        await files_back(server, before.files)
        await threads_back(server, before.threads)
        readings.append(server.memory())
        # One reading may be high, as in `test_memory`; what is lost is in all of them.
        assert min(readings[-3:]) <= before.memory * GROWTH, (before.memory, readings)
        await speaks(server)
        await speaks(server, voice="heart")
        log_is_clean(server, "quite a while", "sequel")
