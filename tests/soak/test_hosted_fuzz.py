"""10,000 bodies for each hosted API that no client should send."""

from __future__ import annotations

import pytest

from tests.robustness.checks import files_back, footprint, log_is_clean
from tests.robustness.hosted_fuzz import HOSTED, fuzz_hosted
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", sorted(HOSTED))
async def test_10000_fuzzed_bodies_leave_no_trace(name: str) -> None:
    with running_server("tone") as server:
        await fuzz_hosted(server, name, 50, seed=2)
        before = footprint(server)
        tally = await fuzz_hosted(server, name, 10_000, seed=20261121)
        assert 500 < tally["200"] + tally["201"] < 9_500, tally
        await files_back(server, before.files)
        assert server.threads() <= before.threads + 2
        log_is_clean(server)
