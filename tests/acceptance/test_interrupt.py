"""Quick barge-ins against the real server: right to a word, silent afterwards, nothing left behind."""

from __future__ import annotations

import pytest

from bench.wire import connected
from tests.interruptions import interrupt_quickly
from tests.server_process import ServerProcess


@pytest.mark.asyncio
@pytest.mark.parametrize("engine", ["tone_server", "hibari_server"])
async def test_interrupts_are_right_to_a_word_and_leave_no_context(
    request: pytest.FixtureRequest, engine: str
) -> None:
    server: ServerProcess = request.getfixturevalue(engine)
    async with connected(server.websocket_url) as wire:
        assert await interrupt_quickly(wire, times=5, seed=2) == []
        threads = server.threads()
        assert await interrupt_quickly(wire, times=20, seed=3) == []
    assert server.threads() <= threads + 2, "encoders, each with its threads, are left behind"
    assert server.metrics()["streamer_active_contexts"] == 0
