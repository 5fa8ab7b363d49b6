"""Whom a key has told, with what secret, and that nobody else sees it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from streamer.errors import InvalidParameter, NotFound, UrlNotAllowed
from streamer.resources import WebhookTarget
from streamer.webhooks import new_secret
from tests.webhooks.scripted import URL, Clock, Rig, Script, Sent, eventually, opened, status

DAY_S = 86400


def verifies(sent: Sent, secret: str) -> bool:
    """Whether a receiver with that secret finds its signature; how old it is is not asked here."""
    at = datetime.fromtimestamp(int(sent.headers["webhook-timestamp"]), UTC)
    expected = Webhook(secret).sign(sent.id, at, sent.body.decode())
    return expected in sent.headers["webhook-signature"].split(" ")


async def heard(rig: Rig, script: Script, count: int) -> list[Sent]:
    await eventually(lambda: len(script.sent) >= count)
    return script.sent


@pytest.mark.asyncio
async def test_every_live_endpoint_of_the_key_is_told_and_the_jobs_own_target(
    tmp_path: Path,
) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        for name in ("a", "b", "removed"):
            endpoint = await rig.webhooks.add_endpoint("k", f"https://{name}.example.org/")
        await rig.webhooks.remove_endpoint("k", endpoint.id)
        await rig.webhooks.add_endpoint("other", "https://other.example.org/")
        assert await rig.tell() == 3
        sent = await heard(rig, script, 3)
        assert {message.url for message in sent} == {
            URL,
            "https://a.example.org/",
            "https://b.example.org/",
        }
        assert len({message.id for message in sent}) == 3


@pytest.mark.asyncio
async def test_nobody_to_tell_is_no_delivery(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock) as rig:
        assert await rig.tell(None) == 0
        assert await rig.all() == []


@pytest.mark.asyncio
async def test_a_secret_of_the_targets_own_signs_else_the_keys(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    own, theirs = new_secret(), new_secret()
    async with opened(tmp_path, script, clock) as rig:
        await rig.webhooks.add_endpoint("k", "https://a.example.org/", theirs)
        await rig.tell(secret=own)
        await rig.tell("https://b.example.org/")
        await heard(rig, script, 4)
        keys = await rig.webhooks.secret("k")
    by_url = {message.url: message for message in script.sent}
    assert verifies(by_url[URL], own)
    assert verifies(by_url["https://a.example.org/"], theirs)
    assert verifies(by_url["https://b.example.org/"], keys)
    assert not verifies(by_url[URL], keys)


@pytest.mark.asyncio
async def test_the_keys_secret_stays_and_is_nobody_elses(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock) as rig:
        secret = await rig.webhooks.secret("k")
        assert await rig.webhooks.secret("other") != secret
    async with opened(tmp_path, Script(clock), clock) as rig:
        assert await rig.webhooks.secret("k") == secret


@pytest.mark.asyncio
async def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        oldest = await rig.webhooks.rotate("k")
        former = await rig.webhooks.rotate("k")
        await rig.tell()
        await heard(rig, script, 1)
        secret = await rig.webhooks.rotate("k")
        await rig.tell()
        await heard(rig, script, 2)
        clock.now += DAY_S - 1
        await rig.tell()
        await heard(rig, script, 3)
        clock.now += 1
        await rig.tell()
        await heard(rig, script, 4)
        assert await rig.webhooks.secret("k") == secret
    known = [[verifies(sent, each) for each in (oldest, former, secret)] for sent in script.sent]
    assert known == [
        [True, True, False],
        [True, True, True],  # rotated twice within a day: a receiver still has the first
        [True, True, True],
        [False, False, True],
    ]


@pytest.mark.asyncio
async def test_each_former_secret_has_a_day_of_its_own(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        secrets = [await rig.webhooks.secret("k")]
        for _ in range(2):
            secrets.append(await rig.webhooks.rotate("k"))
            clock.now += DAY_S / 2
        await rig.webhooks.rotate("other")
        await rig.tell()
        (sent,) = await heard(rig, script, 1)
    assert [verifies(sent, each) for each in secrets] == [False, True, True]


@pytest.mark.asyncio
async def test_five_former_secrets_sign_and_the_oldest_goes_first(tmp_path: Path) -> None:
    script = Script(clock := Clock())
    async with opened(tmp_path, script, clock) as rig:
        secrets = [await rig.webhooks.secret("k")]
        secrets += [await rig.webhooks.rotate("k") for _ in range(6)]
        await rig.tell()
        (sent,) = await heard(rig, script, 1)
    assert [verifies(sent, each) for each in secrets] == [False, *[True] * 6]


@pytest.mark.asyncio
async def test_a_former_secret_of_a_directory_of_before_still_signs(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "streamer.sqlite3")) as connection:
        connection.execute(
            "CREATE TABLE webhook_secrets (key TEXT PRIMARY KEY, secret TEXT NOT NULL,"
            " former TEXT, former_until REAL) WITHOUT ROWID"
        )
        secret, former = new_secret(), new_secret()
        until = (clock := Clock()).now + DAY_S
        connection.execute(
            "INSERT INTO webhook_secrets VALUES ('k', ?, ?, ?)", (secret, former, until)
        )
        connection.commit()
    script = Script(clock)
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        await heard(rig, script, 1)
        clock.now += 1
        newest = await rig.webhooks.rotate("k")
        await rig.tell()
        await heard(rig, script, 2)
        clock.now += DAY_S - 1
        await rig.tell()
        await heard(rig, script, 3)
    known = [[verifies(sent, each) for each in (former, secret, newest)] for sent in script.sent]
    assert known == [[True, True, False], [True, True, True], [False, True, True]]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("target", "error", "param"),
    [
        (WebhookTarget("http://127.0.0.1/"), UrlNotAllowed, "webhook.url"),
        (WebhookTarget("https://h/" + "a" * 2039), InvalidParameter, "webhook.url"),
        (WebhookTarget(URL, "hunter2"), InvalidParameter, "webhook.secret"),
        (WebhookTarget(URL, None, "weekly"), InvalidParameter, "webhook.policy"),
    ],
)
async def test_a_target_that_can_t_be_is_refused_by_its_parameter(
    tmp_path: Path, target: WebhookTarget, error: type[Exception], param: str
) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        with pytest.raises(error) as caught:
            rig.webhooks.check(target)
        assert getattr(caught.value, "param") == param  # noqa: B009
        with pytest.raises(error) as caught:
            await rig.webhooks.add_endpoint("k", target.url, target.secret, target.policy)
        assert getattr(caught.value, "param") == param.removeprefix("webhook.")  # noqa: B009
        assert await rig.webhooks.endpoints("k") == []


@pytest.mark.asyncio
async def test_a_name_that_leads_nowhere_is_no_reason_to_refuse(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        rig.webhooks.check(WebhookTarget("https://no-such-host.invalid/hook", new_secret()))


@pytest.mark.asyncio
async def test_a_key_has_at_most_20_endpoints(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        for _ in range(20):
            endpoint = await rig.webhooks.add_endpoint("k", URL)
        with pytest.raises(InvalidParameter) as caught:
            await rig.webhooks.add_endpoint("k", URL)
        assert caught.value.details == {"limit": 20}
        await rig.webhooks.add_endpoint("other", URL)
        await rig.webhooks.remove_endpoint("k", endpoint.id)
        await rig.webhooks.add_endpoint("k", URL)
        assert len(await rig.webhooks.endpoints("k")) == 20


@pytest.mark.asyncio
async def test_another_keys_endpoints_are_not_seen_nor_removed(tmp_path: Path) -> None:
    async with opened(tmp_path, Script(clock := Clock()), clock, run=False) as rig:
        endpoint = await rig.webhooks.add_endpoint("k", URL)
        assert await rig.webhooks.endpoints("other") == []
        for id in (endpoint.id, "ep_none"):
            with pytest.raises(NotFound):
                await rig.webhooks.remove_endpoint("other", id)
        assert await rig.webhooks.endpoints("k") == [endpoint]


@pytest.mark.asyncio
async def test_an_endpoint_that_is_gone_is_disabled_and_told_no_more(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        endpoint = await rig.webhooks.add_endpoint("k", URL)
        await rig.tell(None, job="job_1")
        await heard(rig, script, 1)
        script.answer = status(410)
        await rig.tell(None, job="job_2")
        second, first = await rig.until("disabled", count=2)
        assert (second.last_status, second.attempts) == (410, 1)
        assert (first.last_error, first.next_at) == ("endpoint_disabled", None)
        assert [found.disabled for found in await rig.webhooks.endpoints("k")] == ["gone"]
        assert endpoint.disabled == ""
        assert await rig.tell(None) == 0
        await rig.pass_time(DAY_S)
        assert rig.webhooks.counters.disabled == 1


@pytest.mark.asyncio
async def test_a_jobs_own_target_that_is_gone_ends_that_delivery_alone(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(410))
    async with opened(tmp_path, script, clock) as rig:
        await rig.tell()
        (delivery,) = await rig.until("disabled")
        assert (delivery.last_status, delivery.last_error) == (410, "status_410")
        script.answer = status(204)
        await rig.tell()
        await rig.until("delivered")


@pytest.mark.asyncio
async def test_what_waits_for_a_removed_endpoint_is_not_sent(tmp_path: Path) -> None:
    script = Script(clock := Clock(), status(500))
    async with opened(tmp_path, script, clock) as rig:
        endpoint = await rig.webhooks.add_endpoint("k", URL)
        await rig.tell(None)
        await heard(rig, script, 1)
        await rig.webhooks.remove_endpoint("k", endpoint.id)
        (delivery,) = await rig.until("disabled")
        assert delivery.last_error == "endpoint_removed"
