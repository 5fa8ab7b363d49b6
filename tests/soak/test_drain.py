"""SIGTERM under 20 live streams of the embedded voice, which has sentences still to synthesise."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import InvalidStatus

from bench.texts import VARIED
from bench.wire import clients, connected
from tests.load import start_live
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.soak, pytest.mark.timeout(120)]
STREAMS = 20
TEXT = " ".join(VARIED[:3])


@pytest.mark.asyncio
async def test_20_live_streams_outlive_sigterm(own_hibari_server: ServerProcess) -> None:
    server = own_hibari_server
    async with clients(server.websocket_url, STREAMS) as wires:
        records = await start_live(wires, TEXT)
        server.terminate()
        await asyncio.sleep(0.2)
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server.websocket_url):
                pass
        assert refused.value.response.status_code == 503
        async with asyncio.timeout(60):
            await asyncio.gather(*(record.until("end") for record in records))
    for record in records:
        assert record.ending["type"] == "done"
        assert record.ending["reason"] == "end"
        assert record.sounds[-1].pts + record.sounds[-1].duration == record.ending["samples"]
        assert len(record.words) == len(TEXT.split())
    assert await asyncio.to_thread(server.wait) == 0
    assert not [line for line in server.log_lines() if line["level"] == "error"]
