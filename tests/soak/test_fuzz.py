"""10,000 messages and 2,000 bodies that no client should send."""

from __future__ import annotations

import pytest

from tests.robustness.checks import files_back, footprint, log_is_clean, threads_back
from tests.robustness.fuzz import fuzz_bodies, fuzz_messages
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.asyncio
async def test_10000_fuzzed_messages_and_2000_bodies_leave_no_trace() -> None:
    # Channels that nobody comes back to are kept, with their encoders, for no longer than the test waits.
    with running_server("tone,hibari", ["--channel-linger-s", "1"]) as server:
        await fuzz_messages(server, 200, seed=2)
        await fuzz_bodies(server, 50, seed=2)
        before = footprint(server)
        tally = await fuzz_messages(server, 10_000, seed=20261121)
        assert tally["messages"] == 10_000
        assert 3_000 < tally["errors"] < 8_000, "it is neither all nonsense nor all good"
        statuses = await fuzz_bodies(server, 2_000, seed=20261121)
        assert {"200", "400", "404", "413"} <= set(statuses)
        assert statuses["200"] > 200
        await files_back(server, before.files)
        await threads_back(server, before.threads)
        log_is_clean(server)
