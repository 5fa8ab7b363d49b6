"""SIGTERM while the server speaks."""

from __future__ import annotations

import pytest

from tests.robustness.drain import drain_cuts_what_waits, drain_under_streams, second_signal_forces
from tests.server_process import running_server


@pytest.mark.asyncio
async def test_sigterm_lets_5_streams_and_a_download_finish_and_refuses_new_ones() -> None:
    with running_server("tone") as server:
        await drain_under_streams(server, 5, "tone-low")


@pytest.mark.asyncio
async def test_what_still_waits_for_text_after_drain_s_is_cut_and_told_so() -> None:
    with running_server("tone", ["--drain-s", "4"]) as server:
        await drain_cuts_what_waits(server)


@pytest.mark.asyncio
async def test_second_sigterm_ends_the_server_at_once() -> None:
    with running_server("tone") as server:
        await second_signal_forces(server)
