"""Hundreds of listeners that cut in, give up or vanish: memory, threads and files stay what they were."""

from __future__ import annotations

from itertools import pairwise

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


WARM_UP = 600
"""Interrupts until the allocators have seen about the largest segments that can meet: the resident size
rises in a few steps of 2 to 10 MB and then stays (2,400 interrupts more: 375, 385 MB, no step in
twenty of twenty-four rounds)."""
LEAK = 512 << 10
"""Most bytes that the middle one of the rounds may add: a leak grows in every round, a step in one."""


@pytest.mark.asyncio
async def test_400_interrupts_and_200_resets_leave_nothing_behind() -> None:
    with running_server("tone,hibari") as server:
        await interrupt_streams(server, WARM_UP, seed=1)
        await reset_sockets(server, 100, seed=1)
        before = footprint(server)
        readings = [before.memory]
        for seed in range(2, 10):
            endings = await interrupt_streams(server, 50, seed=seed)
            assert endings["interrupted"] >= 15
            assert endings["cancelled"] >= 3
            readings.append(server.memory())
        await reset_sockets(server, 200, seed=10)
        await files_back(server, before.files)
        await threads_back(server, before.threads)
        readings.append(server.memory())
        growths = sorted(after - earlier for earlier, after in pairwise(readings))
        assert growths[len(growths) // 2] <= LEAK, readings
        assert readings[-1] <= before.memory * GROWTH, readings
        await speaks(server)
        await speaks(server, voice="heart")
        log_is_clean(server, "quite a while", "sequel")
