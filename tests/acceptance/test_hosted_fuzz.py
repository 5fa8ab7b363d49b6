"""What no client of a hosted API should send is answered in that API's own form."""

from __future__ import annotations

import pytest

from streamer.server.hosted.table import APIS
from tests.robustness.checks import log_is_clean
from tests.robustness.hosted_fuzz import HOSTED, fuzz_hosted
from tests.server_process import running_server


@pytest.mark.asyncio
async def test_150_fuzzed_bodies_for_each_get_errors_of_its_form_or_do_what_they_say() -> None:
    with running_server("tone") as server:
        for name in HOSTED:
            tally = await fuzz_hosted(server, name, 150, seed=1)
            good = tally["200"] + tally["201"]
            assert 5 < good < 145, f"{name}: {tally} is neither all nonsense nor all good"
        log_is_clean(server)


def test_every_api_is_fuzzed() -> None:
    assert set(HOSTED) == set(APIS)
