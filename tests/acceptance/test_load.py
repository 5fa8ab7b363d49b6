"""A short version of the soak test of memory: many utterances at once, and what is left of them."""

from __future__ import annotations

import asyncio

import pytest

from bench.texts import VARIED
from tests.load import speak_many
from tests.server_process import ServerProcess


@pytest.mark.asyncio
async def test_16_clients_speak_100_utterances_and_leave_no_socket_and_no_context(
    own_server: ServerProcess,
) -> None:
    url = own_server.websocket_url
    await speak_many(url, VARIED, utterances=20, count=16, seed=1)
    await asyncio.sleep(0.3)
    files, threads = own_server.files(), own_server.threads()
    await speak_many(url, VARIED, utterances=100, count=16, seed=2)
    await asyncio.sleep(0.3)
    metrics = own_server.metrics()
    assert metrics["streamer_active_contexts"] == 0
    assert metrics["streamer_connections"] == 0
    assert metrics['streamer_contexts_total{outcome="end"}'] == 120
    assert own_server.files() <= files + 2
    assert own_server.threads() <= threads + 8, "encoders are left behind"
