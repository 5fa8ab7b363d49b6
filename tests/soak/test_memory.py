"""Nothing grows: memory, threads and files over 1,000 utterances and 100 quick interrupts."""

from __future__ import annotations

import asyncio

import pytest

from bench.texts import VARIED
from bench.wire import connected
from tests.interruptions import interrupt_quickly
from tests.load import speak_many
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

GROWTH = 1.05
CLIENTS = 16
BATCH = 250
"""Between readings. After each the allocator holds now more, now less of what was freed (30 MB up and
down here), so the least of two readings is what is in use."""


async def settled(server: ServerProcess) -> int:
    """Memory once the last sockets are gone."""
    await asyncio.sleep(1)
    metrics = server.metrics()
    assert metrics["streamer_active_contexts"] == 0
    assert metrics["streamer_connections"] == 0
    return server.memory()


@pytest.mark.asyncio
async def test_memory_is_flat_over_1000_utterances_at_16_clients(
    own_hibari_server: ServerProcess,
) -> None:
    """500 to warm up: arenas, caches, one graph per shape. Then 1,000."""
    server, url, files = own_hibari_server, own_hibari_server.websocket_url, 0
    readings = []
    for seed in range(6):
        await speak_many(url, VARIED, utterances=BATCH, count=CLIENTS, seed=seed)
        readings.append(await settled(server))
        files = server.files() if seed == 1 else files
    before, after = min(readings[:2]), min(readings[-2:])
    assert after <= before * GROWTH, readings
    assert server.files() <= files + 2


@pytest.mark.asyncio
async def test_100_quick_interrupts_leave_nothing_behind(own_hibari_server: ServerProcess) -> None:
    server = own_hibari_server
    threads = server.threads()
    async with connected(server.websocket_url) as wire:
        assert await interrupt_quickly(wire, times=100, seed=1) == []
    before, files = await settled(server), server.files()
    async with connected(server.websocket_url) as wire:
        assert await interrupt_quickly(wire, times=100, seed=2) == []
    assert await settled(server) <= before * GROWTH
    assert server.files() <= files + 2
    assert server.threads() <= threads + 2, "encoders, each with its threads, are left behind"
