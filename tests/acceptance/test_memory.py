"""What a server holds after many utterances and beside clients that read nothing; short versions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.robustness.checks import files_back, footprint, log_is_clean, speaks, threads_back
from tests.robustness.memory import speak_many
from tests.robustness.readers import handshakes_that_never_end, readers_that_stall_are_cut
from tests.server_process import ServerProcess, running_server

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("tone,hibari", ["--send-timeout-s", "0.5"]) as process:
        yield process
        log_is_clean(process)


@pytest.mark.asyncio
async def test_60_utterances_of_16_clients_leave_no_context_thread_or_file(
    server: ServerProcess,
) -> None:
    await speak_many(server, 32, "heart")
    before = footprint(server)
    await speak_many(server, 60, "heart")
    await files_back(server, before.files)
    await threads_back(server, before.threads)


@pytest.mark.asyncio
async def test_readers_that_stall_are_cut_and_cost_little(server: ServerProcess) -> None:
    grown = await readers_that_stall_are_cut(server, 3)
    assert grown < 3 * 16 * MEGABYTE


@pytest.mark.asyncio
async def test_half_open_handshakes_do_not_disturb(server: ServerProcess) -> None:
    await handshakes_that_never_end(server, 100, to_the_end=False)


@pytest.mark.asyncio
async def test_good_client_is_served_after_all_that(server: ServerProcess) -> None:
    await speaks(server)
    await speaks(server, voice="heart")
