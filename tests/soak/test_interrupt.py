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
from tests.server_process import ServerProcess, running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


WARM_UP = 600
"""Interrupts before anything is measured."""
SETTLING = 100
"""Then so many at a time, until two rounds in a row add no more than `LEAK`: the resident size rises in a
few steps of 2 to 10 MB, until the allocators have seen about the largest segments that can meet, and
then stays (of 2,400 interrupts more twenty in twenty-four rounds had no step)."""
ROUNDS = 12
"""At most so many: what grows in each of them leaks."""
LEAK = 512 << 10
"""Most bytes that the middle one of the rounds may add: a leak grows in every round, a step in one."""


async def settle(server: ServerProcess) -> None:
    """Interrupt until memory stays."""
    still, memory = 0, server.memory()
    for seed in range(100, 100 + ROUNDS):
        await interrupt_streams(server, SETTLING, seed=seed)
        still = still + 1 if server.memory() - memory <= LEAK else 0
        if still == 2:
            return
        memory = server.memory()
    raise AssertionError(f"memory still grows after {WARM_UP + ROUNDS * SETTLING} interrupts")


@pytest.mark.asyncio
async def test_400_interrupts_and_200_resets_leave_nothing_behind() -> None:
    with running_server("tone,hibari") as server:
        await interrupt_streams(server, WARM_UP, seed=1)
        await reset_sockets(server, 100, seed=1)
        await settle(server)
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
