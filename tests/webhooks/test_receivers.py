"""The whole way, over real sockets, to a receiver that verifies with a library that is not ours."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from streamer.errors import UrlNotAllowed
from streamer.fetch import Fetcher
from streamer.resources import Delivery, WebhookTarget
from streamer.webhooks import Policy, new_secret, outbox
from tests.webhooks.receiver import Receiver, receiving
from tests.webhooks.scripted import Clock, Rig, eventually, opened, with_policy

QUICK = Policy("quick", (0, 0.02, 0.02), timeout_s=10.0)
BRIEF = replace(QUICK, name="brief", timeout_s=0.4)
"""For who never answers in time."""


@asynccontextmanager
async def running(path: Path, *receivers: Receiver, **options: Any) -> AsyncIterator[Rig]:
    """Webhooks over a real fetcher that may reach these receivers, at the real time of day."""
    ports = [receiver.port for receiver in receivers]
    fetcher = Fetcher(allow=["127.0.0.1"], ports=ports, timeout_s=5)
    try:
        async with opened(
            path,
            fetcher,
            Clock(time.time()),
            policies={**with_policy(QUICK), BRIEF.name: BRIEF},
            **options,
        ) as rig:
            yield rig
    finally:
        await fetcher.aclose()


async def ended(rig: Rig, count: int = 1) -> list[Delivery]:
    """All deliveries, once so many wait no more; time passes meanwhile."""
    found: list[Delivery] = []

    async def settled() -> bool:
        nonlocal found
        await rig.pass_time(0.03)
        found = await rig.all()
        return sum(delivery.state != "pending" for delivery in found) >= count

    await eventually(settled)
    return found


async def tried(rig: Rig) -> Delivery:
    async def settled() -> bool:
        return (await rig.all())[0].attempts == 1

    await eventually(settled)
    return (await rig.all())[0]


@pytest.mark.asyncio
async def test_a_receiver_verifies_what_it_gets(tmp_path: Path) -> None:
    async with receiving() as receiver, running(tmp_path, receiver) as rig:
        secret = new_secret()
        await rig.webhooks.add_endpoint("k", receiver.url("/204"))
        assert await rig.tell(receiver.url("/200"), secret=secret) == 2
        found = await ended(rig, 2)
        keys = await rig.webhooks.secret("k")
        assert {delivery.state for delivery in found} == {"delivered"}
        for received in receiver.received:
            known = secret if received.path == "/200" else keys
            event = Webhook(known).verify(received.body, received.headers)
            assert (event["type"], event["data"]) == ("job.completed", {"id": "job_1"})
            assert received.method == "POST"
            assert received.headers["content-type"] == "application/json"
            assert received.headers["webhook-id"] in {delivery.id for delivery in found}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "state", "status", "attempts"),
    [
        ("/200", "delivered", 200, 1),
        ("/204", "delivered", 204, 1),
        ("/long", "delivered", 200, 1),
        ("/301", "failed", 301, 3),
        ("/410", "disabled", 410, 1),
        ("/500", "failed", 500, 3),
        ("/hang", "failed", None, 3),
        ("/reset", "failed", None, 3),
        ("/slow", "failed", None, 3),
    ],
)
async def test_each_answer_has_its_end(
    tmp_path: Path, path: str, state: str, status: int | None, attempts: int
) -> None:
    async with receiving() as receiver, running(tmp_path, receiver) as rig:
        policy = BRIEF if path in ("/hang", "/slow") else QUICK
        await rig.tell(receiver.url(path), policy=policy.name)
        (delivery,) = await ended(rig)
        assert (delivery.state, delivery.last_status) == (state, status)
        assert delivery.attempts == attempts
        assert {received.path for received in receiver.received} == {path}
        assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
        word = delivery.last_error
        assert word.replace("_", "").isalnum() or (word == "" and state == "delivered")


@pytest.mark.asyncio
async def test_a_receiver_that_asks_for_time_gets_it(tmp_path: Path) -> None:
    async with receiving() as receiver, running(tmp_path, receiver) as rig:
        receiver.statuses["/busy"] = ["429"]
        await rig.tell(receiver.url("/busy"), policy="quick")
        assert (await tried(rig)).next_at == rig.clock.now + 120
        await rig.pass_time(119.9)
        await rig.tell(None)
        assert len(receiver.received) == 1
        await rig.pass_time(0.2)
        await rig.until("delivered")


@pytest.mark.asyncio
async def test_a_receiver_that_comes_back_gets_it_with_the_same_id(tmp_path: Path) -> None:
    async with receiving() as receiver, running(tmp_path, receiver) as rig:
        receiver.statuses["/flaky"] = ["reset", "503"]
        await rig.tell(receiver.url("/flaky"), policy="quick")
        (delivery,) = await ended(rig)
        assert (delivery.state, delivery.attempts) == ("delivered", 3)
        assert len({received.headers["webhook-id"] for received in receiver.received}) == 1


@pytest.mark.asyncio
async def test_one_that_hangs_does_not_hold_up_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GRACE_S", 0.01)
    async with (
        receiving() as slow,
        receiving() as fast,
        running(tmp_path, slow, fast, run=False) as rig,
    ):
        for _ in range(20):
            await rig.tell(slow.url("/hang"))
        for _ in range(20):
            await rig.tell(fast.url("/200"))
        await rig.run()
        found = await rig.until("delivered", count=20)
        assert {delivery.url for delivery in found if delivery.state == "delivered"} == {
            fast.url("/200")
        }


@pytest.mark.asyncio
async def test_an_address_that_may_not_be_opened_is_refused_at_once_and_a_dead_one_fails_later(
    tmp_path: Path,
) -> None:
    async with receiving() as receiver, running(tmp_path, receiver) as rig:
        for url in (
            "http://10.0.0.1/",
            "ftp://example.org/",
            receiver.url("/").replace("127.", "0x7f."),
        ):
            with pytest.raises(UrlNotAllowed) as caught:
                rig.webhooks.check(WebhookTarget(url))
            assert caught.value.param == "webhook.url"
        dead = WebhookTarget(f"http://no-such-host.invalid:{receiver.port}/")
        rig.webhooks.check(dead)
        await rig.tell(dead.url, policy="brief")
        (delivery,) = await ended(rig)
        assert (delivery.state, delivery.last_status) == ("failed", None)
        assert receiver.received == []
