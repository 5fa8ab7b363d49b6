"""Jobs that somebody waits for: begun at once, as if live, and waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import Draining, NotFound
from tests.jobs.house import House, house, request
from tests.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.asyncio


async def speaking(home: House, key: str, *ids: str) -> None:
    for id in ids:
        await home.until(key, id, "running")


async def test_an_urgent_job_waits_for_no_worker_and_takes_no_ones_place(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine, job_workers=1) as home:
        ordinary = [(await home.jobs.submit("k", request()))[0].id for _ in range(2)]
        await speaking(home, "k", ordinary[0])
        urgent = [(await home.jobs.submit("k", request(urgent=True)))[0] for _ in range(3)]
        assert [job.position for job in urgent] in ([0, 0, 0], [None] * 3)
        await speaking(home, "k", *(job.id for job in urgent))
        assert (await home.jobs.get("k", ordinary[1])).status == "queued"
        assert home.jobs.counts.running == 4
        engine.gate.set()
        for id in (*ordinary, *(job.id for job in urgent)):
            assert (await home.ended("k", id)).status == "completed"


async def test_it_is_spoken_in_the_foreground(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        spoken: list[bool] = []
        speak = home.jobs._runner._attempts._open_session

        def noting(start: Any, *, background: bool = True, key: str = "") -> Any:
            spoken.append(background)
            return speak(start, background=background)

        home.jobs._runner._attempts._open_session = noting
        for urgent in (True, False):
            job, _ = await home.jobs.submit("k", request(urgent=urgent))
            await home.ended("k", job.id)
        assert spoken == [False, True]


async def test_its_second_attempt_waits_for_no_worker_either(tmp_path: Path) -> None:
    engine = ScriptedEngine(fail_at=0)
    async with house(tmp_path, engine, job_workers=1) as home:
        job, _ = await home.jobs.submit("k", request(urgent=True))
        while home.jobs.counts.retries < 1:
            await asyncio.sleep(0.005)
        engine.fail_at = None
        engine.gate.clear()
        ordinary, _ = await home.jobs.submit("k", request())
        await speaking(home, "k", ordinary.id, job.id)
        engine.gate.set()
        assert (await home.ended("k", job.id)).attempts == 2


async def test_after_a_crash_it_is_a_job_like_others(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine, run=False) as home:
        job, _ = await home.jobs.submit("k", request(urgent=True))
        await home.sql("UPDATE jobs SET status = 'running'")
    async with house(tmp_path, engine, job_workers=1) as home:
        other, _ = await home.jobs.submit("k", request())
        await speaking(home, "k", job.id)
        assert (await home.jobs.get("k", other.id)).status == "queued"
        engine.gate.set()
        assert (await home.ended("k", job.id)).status == "completed"


async def test_who_waits_hears_of_every_end(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine, job_attempts=1) as home:
        jobs = [(await home.jobs.submit("k", request(urgent=True)))[0] for _ in range(2)]
        waits = [asyncio.create_task(home.jobs.wait("k", job.id, 30)) for job in jobs]
        await speaking(home, "k", *(job.id for job in jobs))
        await home.jobs.cancel("k", jobs[1].id)
        assert (await waits[1]).status == "cancelled"
        engine.gate.set()
        done = await waits[0]
        assert (done.status, len(done.results)) == ("completed", 1)
        assert await home.words_of("k", jobs[0].id)
        assert (await home.jobs.wait("k", jobs[0].id, 30)).status == "completed"
        engine.fail_at = 0
        failing, _ = await home.jobs.submit("k", request())
        assert (await home.jobs.wait("k", failing.id, 30)).status == "failed"
        with pytest.raises(NotFound):
            await home.jobs.wait("other", failing.id, 30)


async def test_who_waits_waits_so_long_and_no_longer(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit("k", request())
        assert (await home.jobs.wait("k", job.id, 0.01)).status == "queued"
        waiting = asyncio.create_task(home.jobs.wait("k", job.id, 30))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_drain_lets_urgent_jobs_end_and_puts_the_others_back(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine) as home:
        ordinary, _ = await home.jobs.submit("k", request())
        urgent, _ = await home.jobs.submit("k", request(urgent=True))
        await speaking(home, "k", ordinary.id, urgent.id)
        waits = [
            asyncio.create_task(home.jobs.wait("k", id, 30)) for id in (urgent.id, ordinary.id)
        ]
        draining = asyncio.create_task(home.jobs.drain())
        await home.until("k", ordinary.id, "queued")
        with pytest.raises(Draining):
            await home.jobs.submit("k", request(urgent=True))
        assert not draining.done()
        engine.gate.set()
        assert (await waits[0]).status == "completed"
        await draining
        assert (await waits[1]).status == "queued"
        assert (await home.jobs.wait("k", ordinary.id, 30)).status == "queued"


async def test_a_drain_that_is_cut_short_puts_urgent_jobs_back_too(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine) as home:
        urgent, _ = await home.jobs.submit("k", request(urgent=True))
        await speaking(home, "k", urgent.id)
        waiting = asyncio.create_task(home.jobs.wait("k", urgent.id, 30))
        draining = asyncio.create_task(home.jobs.drain())
        await asyncio.sleep(0.02)
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await draining
        job = await waiting
        assert (job.status, job.attempts) == ("queued", 0)
        assert await home.sql("SELECT status, crashes FROM jobs") == [("queued", 0)]
