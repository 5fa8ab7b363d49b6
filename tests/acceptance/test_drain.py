"""SIGTERM while the server speaks."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from bench.wire import clients, connected
from tests.load import start_live
from tests.server_process import ServerProcess

TEXT = "One two three four five six seven eight nine ten."
STREAMS = 20


@pytest.mark.asyncio
async def test_live_streams_finish_new_ones_get_503_and_the_exit_code_is_0(
    own_server: ServerProcess,
) -> None:
    async with clients(own_server.websocket_url, STREAMS) as wires:
        records = await start_live(wires, TEXT)
        own_server.terminate()
        await asyncio.sleep(0.1)
        with pytest.raises(InvalidStatus) as refused:
            async with connected(own_server.websocket_url):
                pass
        assert refused.value.response.status_code == 503
        async with httpx.AsyncClient(base_url=own_server.url, trust_env=False) as client:
            answer = await client.post("/v1/speech", json={"text": "Too late."})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "draining"
        async with asyncio.timeout(30):
            await asyncio.gather(*(record.until("end") for record in records))
    for record in records:
        assert record.ending["type"] == "done"
        assert record.ending["reason"] == "end"
        assert record.sounds[-1].pts + record.sounds[-1].duration == record.ending["samples"]
        assert len(record.words) == 10
    assert await asyncio.to_thread(own_server.wait) == 0
