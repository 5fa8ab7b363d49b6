"""What was sent, listed, sent again by hand and forgotten; and what a body says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamer.config import Settings
from streamer.errors import InvalidParameter, NotFound
from streamer.webhooks import Policy, deliveries
from tests.webhooks.scripted import (
    START,
    Clock,
    Script,
    eventually,
    ok,
    opened,
    status,
    with_policy,
)


@pytest.mark.asyncio
async def test_a_body_is_type_time_and_data(tmp_path: Path) -> None:
    script = Script(clock := Clock(START + 0.25))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell(data={"id": "job_1", "name": "Zoë"})
        await rig.until("delivered")
    (sent,) = script.sent
    assert msgspec.json.decode(sent.body) == {
        "type": "job.completed",
        "timestamp": "2027-01-15T08:00:00.250Z",
        "data": {"id": "job_1", "name": "Zoë"},
    }
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["webhook-timestamp"] == str(int(START))
    assert sent.timeout_s == Settings().fetch_timeout_s


@pytest.mark.asyncio
@pytest.mark.parametrize(("length", "whole"), [(19_000, True), (20_000, False), (500_000, False)])
async def test_a_body_stays_below_20_kb_and_still_says_which_job(
    tmp_path: Path, length: int, whole: bool
) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell(job="job_7", data={"id": "job_7", "note": "x" * length})
        await rig.until("delivered")
    body = script.sent[0].body
    assert len(body) < 20_000
    data = msgspec.json.decode(body)["data"]
    assert (data if not whole else data["id"]) == (
        "job_7" if whole else {"id": "job_7", "truncated": True}
    )


@pytest.mark.asyncio
async def test_a_row_of_another_kind_has_its_own_schedule_success_body_and_no_signature(
    tmp_path: Path,
) -> None:
    row = Policy(
        "hosted",
        (0, 1, 2),
        timeout_s=10,
        success=frozenset({200}),
        signing="none",
        envelope=False,
    )
    script = Script(clock := Clock(), status(204))
    async with opened(tmp_path, script, clock, policies=with_policy(row)) as rig:
        await rig.tell(policy="hosted", data={"task_id": "t"})
        for count, wait_s in ((1, 1), (2, 2)):
            await eventually(partial(_attempted, rig, count))
            await rig.pass_time(wait_s)
        (delivery,) = await rig.until("failed")
        assert (delivery.attempts, delivery.last_error) == (3, "status_204")
    assert [sent.at - START for sent in script.sent] == [0, 1, 3]
    assert {sent.body for sent in script.sent} == {b'{"task_id":"t"}'}
    assert {tuple(sent.headers) for sent in script.sent} == {("content-type",)}
    assert {sent.timeout_s for sent in script.sent} == {10}


async def _attempted(rig: Any, count: int) -> bool:
    (delivery,) = await rig.all()
    return bool(delivery.attempts == count)


@pytest.mark.asyncio
async def test_a_list_is_newest_first_and_goes_on_after_an_id(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        for n in range(5):
            await rig.tell(job=f"job_{n}")
        page = await rig.webhooks.deliveries("k", limit=2)
        assert [delivery.job for delivery in page] == ["job_4", "job_3"]
        page = await rig.webhooks.deliveries("k", limit=9, after=page[-1].id)
        assert [delivery.job for delivery in page] == ["job_2", "job_1", "job_0"]
        assert await rig.webhooks.deliveries("k", after=page[-1].id) == []


@pytest.mark.asyncio
async def test_a_list_is_narrowed_by_state_and_job(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell(job="job_1")
        await rig.until("delivered")
        script.answer = status(500)
        await rig.tell(job="job_2")
        await eventually(lambda: len(script.sent) == 2)
        listed = rig.webhooks.deliveries
        assert [found.job for found in await listed("k", state="delivered")] == ["job_1"]
        assert [found.job for found in await listed("k", state="pending")] == ["job_2"]
        assert [found.job for found in await listed("k", job="job_2")] == ["job_2"]
        assert await listed("k", job="job_1", state="failed") == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("options", "param"),
    [({"limit": 0}, "limit"), ({"limit": 1001}, "limit"), ({"after": "x"}, "after")],
)
async def test_a_list_that_can_t_be_is_refused(
    tmp_path: Path, options: dict[str, Any], param: str
) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        with pytest.raises(InvalidParameter) as caught:
            await rig.webhooks.deliveries("k", **options)
        assert caught.value.param == param


@pytest.mark.asyncio
async def test_another_key_sees_and_replays_nothing(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        (delivery,) = await rig.until("delivered")
        assert await rig.webhooks.deliveries("other") == []
        assert await rig.webhooks.deliveries("other", job=delivery.job) == []
        for id in (delivery.id, "msg_none"):
            with pytest.raises(NotFound):
                await rig.webhooks.replay("other", id)
        with pytest.raises(InvalidParameter):
            await rig.webhooks.deliveries("other", after=delivery.id)
        assert len(script.sent) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("code", "state"), [(200, "delivered"), (410, "disabled"), (500, "failed")]
)
async def test_what_has_ended_is_sent_again_with_the_same_id_and_body(
    tmp_path: Path, code: int, state: str
) -> None:
    script = Script(clock := Clock(), status(code))
    once = with_policy(Policy("once", (0,)))
    async with opened(tmp_path, script, clock, policies=once) as rig:
        await rig.tell(policy="once")
        (before,) = await rig.until(state)
        script.answer = ok
        clock.now += 3600
        replayed = await rig.webhooks.replay("k", before.id)
        assert (replayed.state, replayed.attempts, replayed.next_at) == ("pending", 0, clock.now)
        (after,) = await rig.until("delivered")
        assert (after.id, after.attempts, after.last_error) == (before.id, 1, "")
    first, second = script.sent
    assert (first.id, first.body) == (second.id, second.body)
    assert second.headers["webhook-timestamp"] == str(int(START) + 3600)


@pytest.mark.asyncio
async def test_a_pending_one_is_only_brought_forward(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await eventually(partial(_attempted, rig, 1))
        (delivery,) = await rig.all()
        await rig.webhooks.replay("k", delivery.id)
        await eventually(partial(_attempted, rig, 2))


@pytest.mark.asyncio
async def test_what_ended_is_forgotten_after_a_while_and_what_waits_is_not(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    settings = Settings(job_keep_s=60)
    async with opened(tmp_path, script, clock, settings=settings) as rig:
        await rig.tell(job="job_1")
        await rig.until("delivered")
        script.answer = status(500)
        await rig.tell(job="job_2")
        await eventually(lambda: len(script.sent) == 2)
    clock.now += 59
    async with opened(tmp_path, script, clock, settings=settings) as rig:
        await rig.until("pending")
        assert len(await rig.all()) == 2
    clock.now += 2
    async with opened(tmp_path, script, clock, settings=settings) as rig:
        await eventually(partial(_forgotten, rig))
        assert [delivery.job for delivery in await rig.all()] == ["job_2"]


async def _forgotten(rig: Any) -> bool:
    return len(await rig.all()) == 1


@pytest.mark.asyncio
async def test_a_great_many_are_forgotten_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "SWEEP", 3)
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        for n in range(10):
            await rig.tell(job=f"job_{n}")
        await rig.until("delivered", count=10)
    clock.now += Settings().job_keep_s + 1
    async with opened(tmp_path, script, clock) as rig:

        async def empty() -> bool:
            return await rig.all() == []

        await eventually(empty)
