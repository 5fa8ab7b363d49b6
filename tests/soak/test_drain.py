"""SIGTERM under 20 live streams of the embedded voice, which has sentences still to synthesise."""

from __future__ import annotations

import pytest

from tests.robustness.drain import drain_under_streams
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(120)]


@pytest.mark.asyncio
async def test_sigterm_lets_20_streams_finish() -> None:
    with running_server("hibari,tone") as server:
        await drain_under_streams(server, 20, "heart")
