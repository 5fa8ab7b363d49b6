"""Attempts: what fails and is tried again, what is held, what fails at once, what is given up."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamer.engines.base import Lead
from streamer.engines.tone import Tone
from streamer.errors import (
    EngineFailed,
    FileQuota,
    StorageFull,
    UnknownVoice,
    UnsupportedParameter,
)
from streamer.jobs import attempts
from streamer.jobs.queue import CAREFUL
from streamer.types import OptionsUpdate, PcmChunk, Segment
from tests.jobs.house import TEXT, house, request
from tests.scripted_engine import ScriptedEngine

pytestmark = pytest.mark.asyncio

SCRIPTED = partial(EngineFailed, "scripted")
OURS = partial(ZeroDivisionError, "ours")
"""Made anew each time: an exception holds the frames that it came through, and they a session."""


class FailingEngine(ScriptedEngine):
    """Fails so often, each time with a new one of these, before it speaks."""

    def __init__(self, times: int, failure: Callable[[], Exception]) -> None:
        super().__init__()
        self.left = times
        self.failure = failure

    async def synthesize(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk, None]:
        if self.left:
            self.left -= 1
            raise self.failure()
        async for chunk in super().synthesize(segments, lead):
            yield chunk


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "RETRY_S", 0.01)


async def test_the_wait_doubles_up_to_its_longest_however_often_a_job_has_failed() -> None:
    waits = [attempts.retry_s(failures) for failures in (1, 2, 3, 100, 10_000)]
    assert waits == [0.01, 0.02, 0.04, attempts.LONGEST_RETRY_S, attempts.LONGEST_RETRY_S]


@pytest.mark.parametrize("failure", [SCRIPTED, OURS])
async def test_an_engine_that_fails_twice_is_tried_a_third_time(
    tmp_path: Path, failure: Callable[[], Exception]
) -> None:
    async with house(tmp_path, FailingEngine(2, failure)) as home:
        job, _ = await home.jobs.submit("k", request())
        done = await home.ended("k", job.id)
        assert (done.status, done.attempts) == ("completed", 3)
        assert home.jobs.counts.retries == 2
        assert len(home.blobs()) == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [(SCRIPTED, "engine_failed"), (OURS, "internal_error")],
)
async def test_an_engine_that_fails_too_often_fails_the_job(
    tmp_path: Path, failure: Callable[[], Exception], code: str
) -> None:
    async with house(tmp_path, FailingEngine(3, failure)) as home:
        job, _ = await home.jobs.submit("k", request())
        failed = await home.ended("k", job.id)
        assert failed.error is not None
        assert (failed.status, failed.attempts, failed.error.code) == ("failed", 3, code)
        assert "ours" not in failed.error.message
        after, _ = await home.jobs.submit("k", request())
        assert (await home.ended("k", after.id)).status == "completed"


async def test_a_second_attempt_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    engine = ScriptedEngine(fail_at=0)
    async with house(tmp_path, engine, run=False) as home:
        job, _ = await home.jobs.submit("k", request(results=3))
        engine.fail_at = None
        made: list[Any] = []
        speak = home.jobs._runner._attempts._open_session

        def third_fails_once(start: Any, *, background: bool = True, key: str = "") -> Any:
            made.append(start)
            engine.fail_at = 0 if len(made) == 3 else None
            return speak(start)

        home.jobs._runner._attempts._open_session = third_fails_once
        home.run()
        done = await home.ended("k", job.id)
        assert done.attempts == 2
        assert home.blobs() == {f"{job.id}-2-{k}" for k in range(3)}


async def test_files_over_the_quota_fail_the_job_at_once(tmp_path: Path) -> None:
    async with house(tmp_path, key_file_bytes=1024) as home:
        job, _ = await home.jobs.submit("k", request())
        failed = await home.ended("k", job.id)
        assert isinstance(failed.error, FileQuota)
        assert (failed.attempts, home.blobs(), home.usage.rows("k")) == (1, set(), [])


async def test_a_database_that_is_locked_at_the_end_keeps_the_sound_until_it_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.database.BUSY_S", 0.2)
    engine = ScriptedEngine()
    engine.gate.clear()
    async with house(tmp_path, engine) as home:
        job, _ = await home.jobs.submit("k", request())
        while engine.open < 1:  # it runs, and that has been written
            await asyncio.sleep(0.005)
        with closing(sqlite3.connect(tmp_path / "streamer.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            engine.gate.set()
            while not home.blobs():
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.5)  # the lock outlasts the first try
            assert (await home.jobs.get("k", job.id)).status == "running"
            other.execute("ROLLBACK")
        done = await home.ended("k", job.id)
        assert (done.status, done.attempts, len(home.blobs())) == ("completed", 1, 1)
        assert home.usage.rows("k")[0].used.contexts == 1


async def test_a_job_cancelled_while_its_end_cannot_be_written_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as home:
        await home.stop()
        write, refused = home.database.write, []

        async def full(work: Any) -> Any:
            if "Endings._insist" in work.__qualname__:
                refused.append(work)
                raise StorageFull("the disk is full")
            return await write(work)

        monkeypatch.setattr(home.database, "write", full)
        job, _ = await home.jobs.submit("k", request())
        home.run()
        while len(refused) < 3:
            await asyncio.sleep(0.005)
        assert len(home.blobs()) == 1
        assert (await home.jobs.cancel("k", job.id)).status == "cancelled"
        assert home.blobs() == set()


async def test_a_job_at_many_crashes_waits_for_all_others_and_is_given_up_at_last(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, run=False) as home:
        bad, _ = await home.jobs.submit("k", request())
        others = [(await home.jobs.submit("other", request()))[0] for _ in range(3)]
        await home.sql(
            "UPDATE jobs SET status = 'running', claims = 2, crashes = ? WHERE id = ?",
            CAREFUL - 1,
            bad.id,
        )
    async with house(tmp_path, run=False) as home:
        late, _ = await home.jobs.submit("k", request())
        assert (await home.jobs.get("k", bad.id)).position == 4
        home.run()
        await home.ended("k", bad.id)
        for key, job in [("k", late), *(("other", job) for job in others)]:
            assert (await home.jobs.get(key, job.id)).status == "completed"
        hopeless, _ = await home.jobs.submit("k", request())
        await home.ended("k", hopeless.id)
        await home.sql(
            "UPDATE jobs SET status = 'running', finished = NULL, crashes = ? WHERE id = ?",
            attempts.CRASHES - 1,
            hopeless.id,
        )
        await home.sql("DELETE FROM job_results WHERE job = ?", hopeless.id)
    async with house(tmp_path) as home:
        failed = await home.ended("k", hopeless.id)
        assert failed.error is not None
        assert (failed.status, failed.error.code) == ("failed", "internal_error")


async def test_a_text_longer_than_a_session_takes_at_once_is_spoken_whole(tmp_path: Path) -> None:
    text = " ".join([TEXT, "... " * 30, TEXT] * 10)
    async with house(tmp_path, max_pending_chars=400) as home:
        job, _ = await home.jobs.submit("k", request(text))
        done = await home.ended("k", job.id)
        assert done.error is None
        words = [word.text for word in await home.words_of("k", job.id)]
        assert words == [word.strip(".") for word in text.split() if word.strip(".")]


async def test_a_job_outlives_settings_that_would_refuse_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "HOLD_S", 0.01)
    engine, now = ScriptedEngine(), [1000.0]

    def clock() -> float:
        return now[0]

    async with house(tmp_path, engine, Tone(), clock=clock, run=False) as home:
        voices = [OptionsUpdate(voice=engine.voices[0].id, seed=1), OptionsUpdate(model="scripted")]
        jobs = [(await home.jobs.submit("k", request(options=one)))[0] for one in voices]
        other, _ = await home.jobs.submit("k", request(ttl_s=3600))
    async with house(tmp_path, clock=clock, max_file_ttl_s=60) as home:
        done = await home.ended("k", other.id)
        assert (done.status, done.expires) == ("completed", (done.finished or 0) + 60)
        claims = 0
        while claims < 8:  # of each some
            await asyncio.sleep(0.01)
            ((claims,),) = await home.sql("SELECT sum(claims) FROM jobs WHERE finished IS NULL")
        for job in jobs:
            held = await home.jobs.get("k", job.id)
            assert (held.error, held.finished) == (None, None)
        said = [record.message for record in caplog.records]
        assert said.count("job held: nobody here can speak it") == 2
        assert (await home.jobs.cancel("k", jobs[1].id)).status == "cancelled"
        await home.jobs.drain()
    async with house(tmp_path, ScriptedEngine(), clock=clock) as home:
        done = await home.ended("k", jobs[0].id)
        assert (done.status, done.attempts) == ("completed", 1)
        late, _ = await home.jobs.submit("k", request(options=voices[0]))
        await home.ended("k", late.id)


async def test_a_job_that_nobody_can_speak_fails_when_it_has_waited_as_long_as_it_would_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "HOLD_S", 0.01)
    engine, now = ScriptedEngine(), [1000.0]
    async with house(tmp_path, engine, clock=lambda: now[0], run=False) as home:
        options = OptionsUpdate(voice=engine.voices[0].id, seed=1)
        job, _ = await home.jobs.submit("k", request(options=options))
    async with house(tmp_path, clock=lambda: now[0], job_keep_s=600) as home:
        await asyncio.sleep(0.1)
        assert (await home.jobs.get("k", job.id)).finished is None
        now[0] += 601
        failed = await home.ended("k", job.id)
        assert (failed.status, type(failed.error)) == ("failed", UnknownVoice)


async def test_what_an_engine_refuses_by_itself_fails_at_once(tmp_path: Path) -> None:
    refusal = UnsupportedParameter("not this", param="voice")
    async with house(tmp_path, FailingEngine(1, lambda: refusal)) as home:
        job, _ = await home.jobs.submit("k", request())
        failed = await home.ended("k", job.id)
        assert (failed.status, failed.error, failed.attempts) == ("failed", refusal, 1)


async def test_the_clock_of_the_machine_may_jump(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    engine = FailingEngine(2, SCRIPTED)
    async with house(tmp_path, engine, clock=lambda: now[0]) as home:
        for jump in (3600.0, -7200.0, 3600.0):
            job, _ = await home.jobs.submit("k", request())
            now[0] += jump
            done = await home.ended("k", job.id)
            assert done.status == "completed"
