"""Nothing grows: memory, threads and files over 1,000 utterances, stalled readers, half-open handshakes."""

from __future__ import annotations

import pytest

from tests.robustness.checks import GROWTH, files_back, footprint, log_is_clean, threads_back
from tests.robustness.memory import speak_many
from tests.robustness.readers import handshakes_that_never_end, readers_that_stall_are_cut
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]

MEGABYTE = 1 << 20


@pytest.mark.asyncio
async def test_memory_is_flat_over_1000_utterances_of_16_clients() -> None:
    with running_server("hibari") as server:
        warm = []
        for _ in range(2):
            await speak_many(server, 100, "heart")
            warm.append(server.memory())
        before, readings = footprint(server), []
        for _ in range(5):
            await speak_many(server, 200, "heart")
            readings.append(server.memory())
        await files_back(server, before.files)
        await threads_back(server, before.threads)
        # What was freed goes back to the system at the allocator's own time, so one reading may be a
        # tenth too high; what is lost is in all of them.
        assert min(readings[-3:]) <= min(warm) * GROWTH, (warm, readings)
        log_is_clean(server)


@pytest.mark.asyncio
async def test_20_stalled_readers_and_500_half_open_handshakes_cost_little() -> None:
    with running_server("tone", ["--send-timeout-s", "1"]) as server:
        grown = await readers_that_stall_are_cut(server, 20)
        assert grown < 20 * 4 * MEGABYTE
        await handshakes_that_never_end(server, 500, to_the_end=True)
        log_is_clean(server)
