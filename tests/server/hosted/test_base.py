"""What the hosted APIs share: answers that wait for their job, and what becomes of it where nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from streamer.protocols import crun
from streamer.resources import JobRequest
from streamer.server.endpoint import Endpoint
from streamer.server.hosted import base, table
from streamer.server.hosted.base import Hosted, mounted
from streamer.server.hosted.table import APIS, HostedApi, api_of
from streamer.server.meter import Meter
from streamer.server.service import Service
from streamer.types import AudioFormat, Start
from tests.server.running import Running, eventually, running


def routes(service: Service, prefix: str) -> list[BaseRoute]:
    """An API that says the text of the body, and answers with the size of the sound."""
    hosted = Hosted(service, "waits")

    async def speak(request: Request, meter: Meter) -> Response:
        text = (await hosted.body(request)).decode()
        wanted = JobRequest(Start("task", audio=AudioFormat("pcm_s16le", "none")), text)
        job = await hosted.spoken(request, meter, wanted)
        return PlainTextResponse(str(job.results[0].file.size))

    return mounted(prefix, {"/say": Endpoint(service, post=speak, encode_error=crun.encode_error)})


@asynccontextmanager
async def waiting(
    directory: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    row = HostedApi("waits", "streamer.protocols.crun", f"{__name__}:routes")
    monkeypatch.setattr(table, "APIS", {**APIS, "waits": row})
    monkeypatch.setattr("streamer.server.app.APIS", table.APIS)
    async with running(directory, **changes) as server, server.http() as http:
        yield server, http


async def states(server: Running) -> list[str]:
    return [job.status for job in await server.service.resources.jobs.list("")]


@pytest.mark.asyncio
async def test_an_answer_has_what_was_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, monkeypatch, job_workers=1) as (_, http):
        await http.post("/v1/jobs", json={"text": "hang"})  # takes the one worker there is
        answers = await asyncio.gather(*(http.post("/waits/say", content="four") for _ in range(5)))
        assert [answer.text for answer in answers] == ["4"] * 5


@pytest.mark.asyncio
async def test_a_failure_is_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with waiting(tmp_path, monkeypatch, job_attempts=1) as (_, http):
        answer = await http.post("/waits/say", content="one fail")
        assert (answer.status_code, answer.json()["code"]) == (501, 501)


@pytest.mark.asyncio
async def test_a_client_that_goes_takes_its_job_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, monkeypatch) as (server, http):
        asking = asyncio.create_task(http.post("/waits/say", content="hang"))
        await eventually(lambda: server.sessions.made[1:])  # rehearsed, then spoken
        asking.cancel()
        await eventually(lambda: not server.service.ledger.limits.connections)
        assert await states(server) == ["cancelled"]


@pytest.mark.asyncio
async def test_what_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hosted.spoken, "__defaults__", (0.05,))
    async with waiting(tmp_path, monkeypatch) as (server, http):
        answer = await http.post("/waits/say", content="hang")
        assert answer.json()["code"] == 501
        assert await states(server) == ["cancelled"]


@pytest.mark.asyncio
async def test_a_job_that_is_cancelled_meanwhile_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, monkeypatch) as (server, http):
        asking = asyncio.create_task(http.post("/waits/say", content="hang"))
        await eventually(lambda: server.sessions.made[1:])  # rehearsed, then spoken
        (job,) = await server.service.resources.jobs.list("")
        await http.delete(f"/v1/jobs/{job.id}")
        assert (await asking).json()["code"] == 404


@pytest.mark.asyncio
async def test_it_holds_the_place_of_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, monkeypatch, max_connections=1) as (server, http):
        first = asyncio.create_task(http.post("/waits/say", content="hang"))
        await eventually(lambda: server.service.ledger.limits.connections)
        answer = await http.post("/waits/say", content="one")
        assert answer.json()["code"] == 429
        first.cancel()
        await eventually(lambda: not server.service.ledger.limits.connections)


@pytest.mark.asyncio
async def test_a_drain_lets_it_be_answered_or_says_that_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with waiting(tmp_path, monkeypatch, drain_s=0.3) as (server, http):
        asking = asyncio.create_task(http.post("/waits/say", content="hang"))
        await eventually(lambda: server.sessions.made[1:])
        server.server.should_exit = True
        answer = await asking
        assert (answer.status_code, answer.json()["code"]) == (455, 455)


def test_an_address_belongs_to_the_api_of_its_prefix() -> None:
    assert api_of("/crun/api/v1") is APIS["crun"]
    assert api_of("/crun") is APIS["crun"]
    assert api_of("/crunch/api") is api_of("/v1/crun") is api_of("/") is None


def test_warnings_are_a_header_where_there_are_some() -> None:
    assert base.WARNING not in base.warn(Response(), ()).headers
    assert base.warn(Response(), ("a", "b")).headers[base.WARNING] == "a, b"
