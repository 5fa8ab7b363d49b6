"""1,000 jobs of both engines under 15 times kill -9; a database locked for longer than anyone waits."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing

import pytest

from tests.robustness.checks import log_is_clean, speaks
from tests.robustness.jobs import AFTER_A_KILL, DATABASE, SECRETS, jobs_of, jobs_survive_kills
from tests.robustness.receiver import SECRET, Receiver, receiving
from tests.server_process import running_server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.mark.asyncio
async def test_1000_jobs_survive_15_kills_each_done_and_charged_once_and_told() -> None:
    receiver = Receiver(failing=0.03, hanging=0.005, rng=random.Random(11))
    receiver.secrets.add(SECRET)
    async with receiving(receiver):
        flags = [*receiver.flags(), "--fetch-timeout-s", "3"]
        with running_server("tone,hibari", flags) as server:
            figures = await jobs_survive_kills(
                server, receiver, count=1000, kills=15, most_s=6, seed=12
            )
            print(figures)
            log_is_clean(server, *SECRETS, warnings=AFTER_A_KILL)


@pytest.mark.asyncio
async def test_database_that_stays_locked_is_told_and_recovered_from() -> None:
    with running_server("tone") as server:
        async with jobs_of(server) as client:
            before = await client.new()
            with closing(sqlite3.connect(server.data / DATABASE, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                body = {"text": "Too late.", "voice": "tone-low"}
                asking = asyncio.create_task(client.ask("POST", "/v1/jobs", json=body))
                await speaks(server)
                answer = await asking
                assert (answer.status_code, answer.json()["error"]["code"]) == (
                    503,
                    "storage_unavailable",
                )
                assert int(answer.headers["retry-after"]) > 0
                other.execute("ROLLBACK")
            after = await client.new()
            for job in (before, after):
                assert (await client.ended(job["id"]))["status"] == "completed"
            assert len(await client.all("/v1/jobs", "jobs")) == 2
        assert "Traceback" not in server.log()
