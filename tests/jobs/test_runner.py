"""Whose turn it is, what waits for the disk, what is given back, what a crash leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamer.blobs import BlobWriter, DirectoryBlobs
from streamer.errors import (
    NotAvailable,
    StorageFull,
)
from tests.jobs.house import house, request
from tests.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.asyncio


class FullDisk(DirectoryBlobs):
    """Takes no bytes while it is `full`; counts how often that was found out."""

    full = False
    refused = 0

    async def create(self, name: str) -> BlobWriter:
        if self.full:
            self.refused += 1
            raise StorageFull("the disk is full")
        return await super().create(name)


async def test_jobs_wait_for_a_full_disk_and_go_on_when_there_is_room(tmp_path: Path) -> None:
    blobs = FullDisk(tmp_path / "files")
    blobs.full = True
    async with house(tmp_path, blobs=blobs, job_workers=2) as home:
        jobs = [(await home.jobs.submit("k", request()))[0] for _ in range(5)]
        while blobs.refused < 6:
            await asyncio.sleep(0.005)
        waiting = await home.jobs.list("k")
        assert {job.status for job in waiting} <= {"queued", "running"}
        blobs.full = False
        for job in jobs:
            done = await home.ended("k", job.id)
            assert (done.status, done.attempts) == ("completed", 1)
        assert len(home.blobs()) == 5


async def test_a_drain_gives_running_jobs_back_as_if_they_had_not_begun(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine, job_workers=2) as home:
        jobs = [(await home.jobs.submit("k", request(results=2)))[0] for _ in range(3)]
        while engine.open < 2:
            await asyncio.sleep(0.001)
        await home.jobs.drain()
        assert engine.open == 0
        rows = await home.sql("SELECT status, attempts, crashes FROM jobs")
        assert rows == [("queued", 0, 0)] * 3
        assert home.blobs() == set()
    async with house(tmp_path) as home:
        for job in jobs:
            done = await home.ended("k", job.id)
            assert (done.status, done.attempts) == ("completed", 1)


async def test_what_was_running_at_a_crash_is_queued_again_and_counted(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit("k", request())
        await home.sql("UPDATE jobs SET status = 'running', claims = 1, attempts = 1")
    async with house(tmp_path, run=False) as home:
        assert await home.sql("SELECT status, crashes FROM jobs") == [("queued", 1)]
        home.run()
        done = await home.ended("k", job.id)
        assert (done.status, done.attempts) == ("completed", 2)


async def test_a_newer_programs_jobs_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path, run=False) as home:
        job, _ = await home.jobs.submit("k", request())
        await home.sql("UPDATE jobs SET format = 99, request = x'00'")
    async with house(tmp_path) as home:
        mine, _ = await home.jobs.submit("k", request())
        await home.ended("k", mine.id)
        assert [record.message for record in caplog.records].count(
            "jobs of a newer program are left alone"
        ) == 1
        with pytest.raises(NotAvailable):
            await home.jobs.get("k", job.id)
        assert [job.id for job in await home.jobs.list("k")] == [mine.id]
        assert await home.sql("SELECT status, format FROM jobs WHERE id = ?", job.id) == [
            ("queued", 99)
        ]


async def test_one_keys_many_jobs_keep_anothers_one_waiting_for_one_turn(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, job_workers=1) as home:
        for _ in range(20):
            await home.jobs.submit("many", request("Hi."))
        one, _ = await home.jobs.submit("one", request("Hi."))
        assert (await home.jobs.get("one", one.id)).position == 1
        home.run()
        await home.ended("one", one.id)
        assert len(await home.jobs.list("many", status="completed")) <= 3


async def test_a_runner_that_begins_again_goes_on_with_what_it_gave_up(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine) as home:
        jobs = [(await home.jobs.submit("k", request()))[0] for _ in range(2)]
        for _ in range(3):
            await home.until("k", jobs[0].id, "running")
            await home.stop()
            home.run()
        engine.gate.set()
        for job in jobs:
            done = await home.ended("k", job.id)
            assert (done.status, done.attempts) == ("completed", 1)
        assert len(home.blobs()) == 2


async def test_without_jobs_nothing_happens(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        before = asyncio.all_tasks()
        home.run()
        async with asyncio.timeout(10):
            while home.jobs._runner._patience() <= 50 or len(asyncio.all_tasks() - before) != 1:
                await asyncio.sleep(0.005)
