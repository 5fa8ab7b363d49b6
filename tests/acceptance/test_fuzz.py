"""What no client should send, against the real server: each message gets its answer, and nobody notices."""

from __future__ import annotations

import pytest

from tests.robustness.checks import log_is_clean
from tests.robustness.fuzz import fuzz_bodies, fuzz_messages
from tests.server_process import running_server


@pytest.mark.asyncio
async def test_300_fuzzed_messages_and_100_bodies_get_typed_errors_or_do_what_they_say() -> None:
    with running_server("tone,hibari") as server:
        tally = await fuzz_messages(server, 300, seed=1)
        assert tally["messages"] == 300
        assert 100 < tally["errors"] < 250, "it is neither all nonsense nor all good"
        statuses = await fuzz_bodies(server, 100, seed=1)
        assert {"200", "400"} <= set(statuses)
        log_is_clean(server)
