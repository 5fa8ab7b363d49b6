"""10,000 messages that no client should send, and as bad HTTP bodies."""

from __future__ import annotations

import pytest

from bench.wire import connected
from tests.fuzzing import Fuzzer, fuzz_http
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.asyncio
async def test_10000_fuzzed_messages_get_typed_errors_and_leave_no_fault(
    own_hibari_server: ServerProcess,
) -> None:
    server = own_hibari_server
    outcome = await Fuzzer(server.websocket_url).run(seed=20261121, count=10_000)
    assert outcome.faults == []
    assert sum(outcome.sent.values()) == 10_000
    assert 1011 not in outcome.closes
    assert (await fuzz_http(server.url, seed=20261121, count=1_000)).faults == []

    async with connected(server.websocket_url) as wire:
        record = await wire.speak("All is well.")
        await record.until("end")
    assert record.ending["type"] == "done"
    assert "Traceback" not in server.log()
    assert not [line for line in server.log_lines() if line["level"] == "error"]
    assert server.metrics()["streamer_active_contexts"] == 0
