"""Killed while it speaks: nothing is lost, nothing happens twice, nothing is left over."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from streamer.resources import WebhookTarget
from tests.jobs.house import TEXT, house, request

ROOT = Path(__file__).parents[2]
JOBS = 60


@pytest.mark.asyncio
async def test_sixty_jobs_outlive_three_kills(tmp_path: Path) -> None:
    rng = random.Random(3)
    texts = [" ".join([TEXT] * rng.choice((1, 2, 6))) for _ in range(JOBS)]
    asked = [
        request(text, results=rng.choice((1, 1, 2, 3)), webhook=WebhookTarget("https://e.org/"))
        for text in texts
    ]
    async with house(tmp_path, run=False) as home:
        ids = [(await home.jobs.submit(rng.choice("ab"), one))[0].id for one in asked]
    for _ in range(3):
        victim = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.jobs.victim", str(tmp_path)),
            str(rng.uniform(0.05, 0.5)),
            cwd=ROOT,
        )
        assert await asyncio.wait_for(victim.wait(), 30) == -signal.SIGKILL
    async with house(tmp_path) as home:
        left = sum(row[0] != "completed" for row in await home.sql("SELECT status FROM jobs"))
        assert 0 < left <= JOBS
        told: Counter[str] = Counter()
        files = characters = 0
        for key in "ab":
            for job in await home.jobs.list(key):
                done = await home.ended(key, job.id)
                assert done.status == "completed"
                assert len(done.results) == done.request.results
                files += len(done.results)
                characters += done.text_characters * len(done.results)
                for result in done.results:
                    data = await home.bytes_of(key, job.id, result.index)
                    assert len(data) == result.file.size
                told[job.id] += 1
                assert await home.events(key, job.id) == ["job.completed"]
        assert told == dict.fromkeys(ids, 1)
        assert len(home.blobs()) == files
        assert sum(row.used.characters for row in home.usage.rows()) == characters
