"""A short walk of the fuzzer of the soak tests."""

from __future__ import annotations

import pytest

from bench.wire import connected
from tests.fuzzing import Fuzzer, fuzz_http
from tests.server_process import ServerProcess


@pytest.mark.asyncio
async def test_nonsense_gets_typed_errors_and_the_next_good_request_still_speaks(
    own_server: ServerProcess,
) -> None:
    outcome = await Fuzzer(own_server.websocket_url).run(seed=1, count=400)
    assert not outcome.faults
    assert len(outcome.codes) > 4, "the fuzzer finds too little"
    assert not (await fuzz_http(own_server.url, seed=1, count=60)).faults

    async with connected(own_server.websocket_url) as wire:
        record = await wire.speak("All is well.")
        await record.until("end")
    assert record.ending["type"] == "done"
    assert [word["text"] for word in record.words] == ["All", "is", "well"]
    assert "Traceback" not in own_server.log()
    assert not [line for line in own_server.log_lines() if line["level"] == "error"]
