"""The loop: the schedule, at least once, and what it survives."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streamer.clock import SteadyClock
from streamer.errors import FetchFailed, StorageUnavailable, UrlNotAllowed
from streamer.webhooks import STANDARD, deliveries, new_secret, outbox
from streamer.webhooks.schedule import waiting
from tests.webhooks.scripted import (
    START,
    URL,
    Clock,
    Reply,
    Rig,
    Script,
    eventually,
    never,
    ok,
    opened,
    status,
)


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "GRACE_S", 0.01)


async def attempted(rig: Rig, count: int) -> bool:
    (delivery,) = await rig.all()
    return delivery.attempts == count


@pytest.mark.asyncio
async def test_the_schedule_is_followed_to_its_end(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        for count, wait_s in enumerate(STANDARD.delays_s[1:], 1):
            await eventually(partial(attempted, rig, count))
            await rig.pass_time(wait_s - 0.5)
            await rig.tell(None)  # a look that finds nothing due
            assert len(script.sent) == count
            await rig.pass_time(0.5)
        (delivery,) = await rig.until("failed")
        assert (delivery.attempts, delivery.last_status) == (10, 500)
        assert (delivery.last_error, delivery.next_at) == ("status_500", None)
        assert rig.webhooks.counters.failed == 1
        assert rig.webhooks.counters.attempts == {"status_500": 10}
    assert len({sent.id for sent in script.sent}) == 1
    assert sum(STANDARD.delays_s) == script.sent[-1].at - START
    stamps = [int(sent.headers["webhook-timestamp"]) for sent in script.sent]
    assert stamps == [int(sent.at) for sent in script.sent]


@pytest.mark.asyncio
async def test_an_attempt_that_succeeds_is_the_last(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(attempted, rig, 1))
        script.answer = status(201)
        await rig.pass_time(5)
        (delivery,) = await rig.until("delivered")
        assert (delivery.attempts, delivery.last_status, delivery.last_error) == (2, 201, "")
        await eventually(lambda: rig.webhooks.counters.pending == 0)
        assert rig.webhooks.counters.delivered == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "word"),
    [
        (FetchFailed("no answer", reason="timeout"), "timeout"),
        (FetchFailed("no answer"), "fetch_failed"),
        (UrlNotAllowed("it resolves to a private address"), "url_not_allowed"),
        (RuntimeError("ours"), "internal_error"),
    ],
)
async def test_no_answer_is_a_failure_like_any_other(
    tmp_path: Path, error: Exception, word: str
) -> None:
    async def fails(url: str) -> Reply:
        raise error

    script = Script(clock := Clock(), fails)
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(attempted, rig, 1))
        (delivery,) = await rig.all()
        assert (delivery.state, delivery.next_at) == ("pending", START + 5)
        assert (delivery.last_status, delivery.last_error) == (None, word)


@pytest.mark.asyncio
async def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(429, retry_after="40"))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(attempted, rig, 1))
        (delivery,) = await rig.all()
        assert delivery.next_at == START + 40


@pytest.mark.asyncio
async def test_a_crash_after_the_answer_sends_again_with_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, answered = asyncio.Event(), asyncio.Event()

    async def late(url: str) -> Reply:
        await answer.wait()
        return await ok(url)

    script = Script(clock := Clock(), late)
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()

        async def lost(work: Any) -> None:
            answered.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(rig.database, "write", lost)
        answer.set()
        await answered.wait()
    async with opened(tmp_path, script, clock) as rig:
        (delivery,) = await rig.until("delivered")
        assert delivery.attempts == 1
    first, second = script.sent
    assert (first.id, first.body) == (second.id, second.body)


@pytest.mark.asyncio
async def test_what_was_pending_is_sent_after_a_restart_when_its_time_comes(
    tmp_path: Path,
) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(attempted, rig, 1))
    script.answer = ok
    clock.now += 4
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell(None)
        assert len(script.sent) == 1
        await rig.pass_time(1)
        await rig.until("delivered")
    assert len(script.sent) == 2


@pytest.mark.asyncio
async def test_a_transaction_that_is_undone_sends_nothing(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:

        def undone(connection: sqlite3.Connection) -> None:
            rig.webhooks.enqueue(
                connection, key="k", job="job_1", event="job.failed", data={}, target=None
            )
            raise ValueError

        await rig.webhooks.add_endpoint("k", URL)
        with pytest.raises(ValueError):
            await rig.database.write(undone)
        rig.webhooks.wake()
        assert await rig.all() == []


@pytest.mark.asyncio
async def test_one_host_that_hangs_does_not_hold_up_another(tmp_path: Path) -> None:
    async def answer(url: str) -> Reply:
        return await (never(url) if "slow" in url else ok(url))

    script = Script(clock := Clock(), answer)
    async with opened(tmp_path, script, clock, run=False) as rig:
        for _ in range(40):
            await rig.tell("https://slow.example.org/")
        for _ in range(40):
            await rig.tell("https://fast.example.org/")
        await rig.run()
        await rig.until("delivered", count=40)
        urls = Counter(sent.url for sent in script.sent)
        assert urls == {"https://slow.example.org/": 4, "https://fast.example.org/": 40}


@pytest.mark.asyncio
async def test_one_key_with_many_hosts_that_hang_does_not_hold_up_another(tmp_path: Path) -> None:
    async def answer(url: str) -> Reply:
        return await (never(url) if "slow" in url else ok(url))

    script = Script(clock := Clock(), answer)
    async with opened(tmp_path, script, clock, run=False) as rig:
        for n in range(40):
            await rig.tell(f"https://slow{n}.example.org/", key="greedy")
        await rig.tell()
        await rig.run()
        await rig.until("delivered")
        await eventually(lambda: len(script.sent) == 9)


@pytest.mark.asyncio
async def test_no_more_than_16_are_under_way(tmp_path: Path) -> None:
    script = Script(clock := Clock(), never)
    async with opened(tmp_path, script, clock) as rig:
        for n in range(40):
            await rig.tell(f"https://host{n}.example.org/", key="")
        await eventually(lambda: len(script.sent) == 16)
        await rig.tell(None)
        assert len(script.sent) == 16


@pytest.mark.asyncio
async def test_stopping_leaves_what_hangs_pending(tmp_path: Path) -> None:
    script = Script(clock := Clock(), never)
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(lambda: len(script.sent) == 1)
        before = len(asyncio.all_tasks())
        await rig.stop()
        assert len(asyncio.all_tasks()) == before - 3  # the loop, its sweeper, the attempt
        (delivery,) = await rig.all()
        assert (delivery.state, delivery.attempts) == ("pending", 0)


@pytest.mark.asyncio
async def test_stopping_gives_what_is_under_way_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GRACE_S", 20)
    stopping = asyncio.Event()

    async def answer(url: str) -> Reply:
        await stopping.wait()
        return Reply()

    script = Script(clock := Clock(), answer)
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(lambda: len(script.sent) == 1)
        asyncio.get_running_loop().call_later(0.05, stopping.set)
        await rig.stop()
        (delivery,) = await rig.all()
        assert delivery.state == "delivered"


@pytest.mark.asyncio
async def test_a_locked_database_loses_nothing_and_nothing_is_sent_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.database.BUSY_S", 0.01)
    monkeypatch.setattr(outbox, "STORAGE_RETRY_S", 0.05)
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock, run=False) as rig:
        for n in range(6):
            await rig.tell(f"https://host{n}.example.org/")
        await rig.webhooks.start()
        with closing(sqlite3.connect(tmp_path / "streamer.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            rig.task = asyncio.create_task(rig.webhooks.run())
            await eventually(lambda: len(script.sent) == 6)
            with pytest.raises(StorageUnavailable):
                await rig.tell()
            await asyncio.sleep(0.2)  # long enough for several tries
            assert {delivery.state for delivery in await rig.all()} == {"pending"}
            other.execute("ROLLBACK")
        await rig.until("delivered", count=6)
        assert len(script.sent) == 6


@pytest.mark.asyncio
async def test_a_database_that_can_t_be_read_is_asked_again_but_not_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "STORAGE_RETRY_S", 0.05)
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock, run=False) as rig:
        await rig.tell()
        read, asked = rig.database.read, 0

        async def fails(work: Any) -> Any:
            nonlocal asked
            asked += 1
            raise StorageUnavailable("the database is locked")

        await rig.run()
        monkeypatch.setattr(rig.database, "read", fails)
        for _ in range(20):
            rig.webhooks.wake()
            await asyncio.sleep(0.01)
        assert asked < 20
        monkeypatch.setattr(rig.database, "read", read)
        await rig.until("delivered")


@pytest.mark.asyncio
async def test_a_clock_set_back_while_it_runs_holds_nothing_up(tmp_path: Path) -> None:
    wall, elapsed = START, 0.0
    steady = SteadyClock(lambda: wall, lambda: elapsed)
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock, run=False) as rig:
        rig = Rig(tmp_path, script, steady)  # type: ignore[arg-type]
        try:
            await rig.run()
            await rig.tell()
            await eventually(partial(attempted, rig, 1))
            script.answer = ok
            wall, elapsed = START - 3600, 5.0
            rig.webhooks.wake()
            await rig.until("delivered")
        finally:
            await rig.stop()
            rig.database.close()


@pytest.mark.asyncio
async def test_a_clock_set_back_over_a_restart_makes_nothing_wait_longer_than_its_delay(
    tmp_path: Path,
) -> None:
    script = Script(clock := Clock(), status(429, retry_after="40"))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(attempted, rig, 1))
    script.answer = ok
    clock.now -= 3600
    async with opened(tmp_path, script, clock) as rig:
        (delivery,) = await rig.all()
        assert delivery.next_at == clock.now + 40
        await rig.pass_time(40)
        await rig.until("delivered")


@pytest.mark.asyncio
async def test_a_backlog_to_one_host_is_passed_over_and_not_held_in_memory(tmp_path: Path) -> None:
    script = Script(clock := Clock(), never)
    async with opened(tmp_path, script, clock, run=False) as rig:
        await rig.tell("https://slow.example.org/")

        def multiply(connection: sqlite3.Connection) -> None:
            columns = (
                "key, job, event, url, host, endpoint, secret, policy, body, state, attempts,"
                " created, next_at, wait_s"
            )
            connection.execute(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
                f" INSERT INTO webhook_deliveries (id, {columns})"
                f" SELECT 'msg_' || i, {columns} FROM webhook_deliveries, n"
            )

        await rig.database.write(multiply)
        clock.now += 1
        await rig.tell("https://fast.example.org/")
        found = await rig.database.read(partial(waiting, now=clock.now, busy=(), most=16))
        assert [due.host for due in found.due] == ["slow.example.org"] * 4 + ["fast.example.org"]
        assert (found.next_at, found.pending) == (None, 100_001)
        plan = await rig.database.read(partial(_plan, clock.now))
        assert "COVERING INDEX webhook_deliveries_due" in plan


def _plan(now: float, connection: sqlite3.Connection) -> str:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    waiting(connection, now=now, busy=(), most=16)
    connection.set_trace_callback(None)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statements[-3]}")
    return " ".join(row[3] for row in rows)


def test_one_to_a_url_that_can_t_be_split_has_a_host_all_the_same() -> None:
    assert deliveries._host("https://[::1/") == ""
    assert deliveries._host("https://user@Hooks.Example.org:8443/x") == "hooks.example.org:8443"


@pytest.mark.asyncio
async def test_logs_say_what_failed_and_neither_where_nor_what_nor_how_it_is_signed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    script = Script(clock := Clock(), status(410))
    secret = new_secret()
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell(URL + "?token=hunter2", secret=secret, data={"text": "a private matter"})
        (delivery,) = await rig.until("disabled")
        await eventually(lambda: bool(caplog.records))
    shown = " ".join(str(vars(record)) for record in caplog.records)
    assert delivery.id in shown
    for private in ("example.org", "hunter2", secret, "private matter"):
        assert private not in shown
