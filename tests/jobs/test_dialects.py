"""Jobs that came by a foreign dialect: who sees them, what they are called, what is told and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ContextConflict, NotFound
from streamer.jobs import stored, table
from streamer.jobs.stored import Stored
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import Start
from tests.jobs.house import house, request

pytestmark = pytest.mark.asyncio


def foreign(alias: str = "", dialect: str = "elsewhere", **fields: Any) -> JobRequest:
    return request("One.", dialect=dialect, alias=alias, **fields)


async def test_a_job_is_seen_by_its_own_dialect_and_the_native_one(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", foreign("task-1", echo="{}", warnings=("a_b",)))
        done = await home.ended("k", job.id)
        assert (done.request.echo, done.request.warnings) == ("{}", ("a_b",))
        assert (await home.jobs.get("k", "task-1", dialect="elsewhere")).id == job.id
        file = await home.jobs.file("k", "task-1", dialect="elsewhere")
        assert file.id == done.results[0].file.id
        for key, id, dialect in (
            ("k", "task-1", "another"),
            ("k", "task-1", "native"),
            ("other", "task-1", "elsewhere"),
            ("k", job.id, "elsewhere"),  # it has a name of its own there
            ("k", job.id, "another"),
        ):
            with pytest.raises(NotFound):
                await home.jobs.get(key, id, dialect=dialect)
            with pytest.raises(NotFound):
                await home.jobs.cancel(key, id, dialect=dialect)
        native, _ = await home.jobs.submit("k", request("One."))
        with pytest.raises(NotFound):
            await home.jobs.get("k", native.id, dialect="elsewhere")


async def test_a_list_is_of_what_the_dialect_sees(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        made = [
            (await home.jobs.submit("k", foreign(f"t{n}", ["elsewhere", "another"][n % 2])))[0].id
            for n in range(4)
        ]
        made.append((await home.jobs.submit("k", request("One.")))[0].id)
        assert [job.id for job in await home.jobs.list("k")] == made[::-1]
        ids = [job.id for job in await home.jobs.list("k", dialect="elsewhere")]
        assert ids == [made[2], made[0]]
        page = await home.jobs.list("k", dialect="elsewhere", after=made[2])
        assert [job.id for job in page] == [made[0]]
        assert await home.jobs.list("other", dialect="elsewhere") == []


async def test_an_alias_is_one_of_a_kind_within_key_and_dialect(tmp_path: Path) -> None:
    async with house(tmp_path, run=False, price_per_1000=1000.0) as home:
        admitted: list[tuple[int, float]] = []
        await home.jobs.submit("k", foreign("one"), admit=lambda *a: admitted.append(a))
        with pytest.raises(ContextConflict) as caught:
            await home.jobs.submit("k", foreign("one"), admit=lambda *a: admitted.append(a))
        assert caught.value.param == "alias"
        assert admitted == [(4, 4.0)]
        await home.jobs.submit("k", foreign("one", "another"))
        await home.jobs.submit("other", foreign("one"))
        assert len(await home.jobs.list("k")) == 2
        assert home.jobs.reserved("k") == 8


async def test_without_an_alias_it_goes_by_its_own_id(tmp_path: Path) -> None:
    async with house(tmp_path, run=False) as home:
        first, _ = await home.jobs.submit("k", foreign())
        second, _ = await home.jobs.submit("k", foreign())
        assert (await home.jobs.get("k", first.id, dialect="elsewhere")).id == first.id
        await home.jobs.cancel("k", second.id, dialect="elsewhere")
        assert (await home.jobs.get("k", second.id)).status == "cancelled"


async def test_an_alias_outlives_a_restart_and_is_free_when_the_job_is_forgotten(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home:
        job, _ = await home.jobs.submit("k", foreign("one"))
        await home.ended("k", job.id)
    async with house(tmp_path) as home:
        assert (await home.jobs.get("k", "one", dialect="elsewhere")).id == job.id
        await home.sql("UPDATE jobs SET finished = 1")
        assert await home.database.write(lambda c: table.forget(c, 2.0, 10)) == 1
        again, _ = await home.jobs.submit("k", foreign("one"))
        assert (await home.jobs.get("k", "one", dialect="elsewhere")).id == again.id
        assert await home.sql("SELECT count(*) FROM job_dialects") == [(1,)]


async def test_its_own_target_is_told_in_its_words_and_endpoints_in_ours(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=lambda job: [{"n": 1}, {"n": job.request.alias}]) as home:
        await home.webhooks.add_endpoint("k", "https://example.org/all")
        hook = WebhookTarget("https://example.org/own", policy="crun")
        job, _ = await home.jobs.submit("k", foreign("one", webhook=hook))
        await home.ended("k", job.id)
        rows = await home.sql("SELECT url, body FROM webhook_deliveries ORDER BY seq")
        told = [(url, json.loads(body)) for url, body in rows]
        assert told[:2] == [
            ("https://example.org/own", {"n": 1}),
            ("https://example.org/own", {"n": "one"}),
        ]
        assert (told[2][0], told[2][1]["data"]["id"]) == ("https://example.org/all", job.id)
        assert len(told) == 3


async def test_a_dialect_may_have_nothing_to_tell(tmp_path: Path) -> None:
    async with house(tmp_path, callbacks=lambda job: []) as home:
        job, _ = await home.jobs.submit(
            "k", foreign("one", webhook=WebhookTarget("https://example.org/own"))
        )
        await home.jobs.cancel("k", job.id)
        assert await home.events() == []


async def test_what_an_older_program_stored_has_the_defaults() -> None:
    kept = Stored(JobRequest(Start("job"), "One."))
    old = json.loads(stored.encode(kept))
    for name in ("dialect", "alias", "echo", "urgent", "warnings"):
        del old["request"][name]
    assert stored.decode(json.dumps(old).encode()) == kept
