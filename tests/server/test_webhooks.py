"""Webhooks over HTTP: endpoints, secrets, and what became of each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import eventually, running
from tests.server.test_jobs import asked, code_of, ended

WEBHOOKS = "/v1/webhooks"
URL = "https://hooks.example/streamer"


@dataclass
class Receiver:
    """What came to a URL, and what it is answered."""

    url: str
    status: int = 200
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A server on loopback."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value for name, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        receiver.heard.append((headers, body))
        writer.write(f"HTTP/1.1 {receiver.status} X\r\nContent-Length: 0\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    origin = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = origin.sockets[0].getsockname()[1]
    receiver = Receiver(f"http://127.0.0.1:{port}/hook")
    async with origin:
        yield receiver


def allowing(receiver: Receiver) -> dict[str, Any]:
    """Settings that let the server reach it."""
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    return {"fetch_allow": ["127.0.0.0/8"], "fetch_ports": [port]}


def signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As Standard Webhooks has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{digest}" in headers["webhook-signature"].split()


@pytest.mark.asyncio
async def test_endpoints_are_added_listed_and_removed(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(WEBHOOKS, json={"url": URL})
        assert answer.status_code == 201
        added = answer.json()
        assert answer.headers["location"] == f"{WEBHOOKS}/{added['id']}"
        assert (added["url"], added["disabled"], "secret" in added) == (URL, "", False)
        assert (await http.get(WEBHOOKS)).json() == {"endpoints": [added]}
        assert (await http.get("/native" + WEBHOOKS)).json() == {"endpoints": [added]}
        assert (await http.delete(f"{WEBHOOKS}/{added['id']}")).status_code == 204
        assert (await http.get(WEBHOOKS)).json() == {"endpoints": []}
        answer = await http.delete(f"{WEBHOOKS}/{added['id']}")
        assert code_of(answer)[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_parameter", "url"),
        ({"url": ""}, "invalid_parameter", "url"),
        ({"url": "nonsense"}, "url_not_allowed", "url"),
        ({"url": "http://127.0.0.1/"}, "url_not_allowed", "url"),
        ({"url": "https://2130706433/"}, "url_not_allowed", "url"),
        ({"url": URL, "secret": "short"}, "invalid_parameter", "secret"),
        ({"url": URL, "policy": "standard"}, "unknown_parameter", "policy"),
    ],
)
@pytest.mark.asyncio
async def test_bad_endpoint_names_the_parameter(
    tmp_path: Path, body: dict[str, Any], code: str, param: str
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(WEBHOOKS, json=body)
        assert code_of(answer) == (400, code, param)
        assert (await http.get(WEBHOOKS)).json() == {"endpoints": []}


@pytest.mark.asyncio
async def test_secret_is_told_and_rotated(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.get(WEBHOOKS + "/secret")
        first = answer.json()["secret"]
        assert answer.headers["cache-control"] == "no-store"
        assert first.startswith("whsec_")
        assert (await http.get(WEBHOOKS + "/secret")).json() == {"secret": first}
        second = (await http.post(WEBHOOKS + "/secret")).json()["secret"]
        assert second != first
        assert (await http.get(WEBHOOKS + "/secret")).json() == {"secret": second}
        assert (await http.delete(WEBHOOKS + "/secret")).headers["allow"] == "GET, HEAD, POST"


@pytest.mark.asyncio
async def test_end_of_a_job_is_told_to_all_who_want_to_know(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running(tmp_path, **allowing(receiver)) as server,
        server.http() as http,
    ):
        own = "whsec_" + base64.b64encode(b"o" * 32).decode()
        (await http.post(WEBHOOKS, json={"url": receiver.url + "/all"})).raise_for_status()
        hook = {"url": receiver.url, "secret": own}
        job = await ended(http, await asked(http, "one two", webhook=hook))
        await eventually(lambda: len(receiver.heard) == 2)
        shared = (await http.get(WEBHOOKS + "/secret")).json()["secret"]
        assert {
            (signed_by(own, *message), signed_by(shared, *message)) for message in receiver.heard
        } == {(True, False), (False, True)}
        for _, body in receiver.heard:
            told = json.loads(body)
            assert (told["type"], told["data"]["id"]) == ("job.completed", job["id"])
            assert told["data"]["status"] == "completed"
            assert told["data"]["webhook"] == {"url": receiver.url}
            (result,) = told["data"]["results"]
            assert (await http.get(result["url"])).content == b"onetwo"


@pytest.mark.asyncio
async def test_links_of_a_webhook_begin_as_the_server_is_known(tmp_path: Path) -> None:
    async with receiving() as receiver:
        settings = allowing(receiver) | {"public_url": "https://tts.example"}
        async with running(tmp_path, **settings) as server, server.http() as http:
            await asked(http, "one", webhook={"url": receiver.url})
            await eventually(lambda: receiver.heard)
            told = json.loads(receiver.heard[0][1])["data"]
            assert told["results"][0]["url"].startswith("https://tts.example/v1/files/")


@pytest.mark.asyncio
async def test_deliveries_are_listed_and_replayed(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running(tmp_path, **allowing(receiver)) as server,
        server.http() as http,
    ):
        path = WEBHOOKS + "/deliveries"

        async def listed(**query: Any) -> list[dict[str, Any]]:
            some: list[dict[str, Any]] = (await http.get(path, params=query)).json()["deliveries"]
            return some

        receiver.status = 500
        job = await asked(http, "one", webhook={"url": receiver.url})
        await eventually(lambda: receiver.heard)
        async with asyncio.timeout(15):
            while not (await listed())[0]["attempts"]:
                await asyncio.sleep(0.01)
        (delivery,) = await listed(job=job["id"], state="pending")
        assert (delivery["event"], delivery["url"]) == ("job.completed", receiver.url)
        assert (delivery["last_status"], delivery["next_at"] is None) == (500, False)
        assert await listed(job="job_x") == await listed(state="failed") == []
        receiver.status = 204
        answer = await http.post(f"{path}/{delivery['id']}/replay")
        assert (answer.status_code, answer.json()["id"]) == (202, delivery["id"])
        await eventually(lambda: len(receiver.heard) == 2)
        async with asyncio.timeout(15):
            while not await listed(state="delivered"):
                await asyncio.sleep(0.01)
        assert {message[0]["webhook-id"] for message in receiver.heard} == {delivery["id"]}
        expected = {
            'streamer_webhook_attempts_total{outcome="status_500"} 1.0',
            'streamer_webhook_attempts_total{outcome="204"} 1.0',
            'streamer_webhooks_ended_total{state="delivered"} 1.0',
            "streamer_webhooks_pending 0.0",
        }
        async with asyncio.timeout(15):  # counted right after the row is written
            while expected - set((await http.get("/metrics")).text.splitlines()):
                await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_list_of_deliveries_goes_on_after_the_last_of_a_page(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running(tmp_path, **allowing(receiver)) as server,
        server.http() as http,
    ):
        for _ in range(3):
            await ended(http, await asked(http, "one", webhook={"url": receiver.url}))
        path = WEBHOOKS + "/deliveries"
        first = (await http.get(path, params={"limit": 2})).json()
        rest = (await http.get(path, params={"limit": 2, "after": first["next"]})).json()
        assert (len(first["deliveries"]), len(rest["deliveries"])) == (2, 1)
        assert rest["next"] is None
        for query, code, param in (
            ({"state": "over"}, "invalid_parameter", "state"),
            ({"limit": "0"}, "invalid_parameter", "limit"),
            ({"page": "1"}, "unknown_parameter", "page"),
        ):
            assert code_of(await http.get(path, params=query)) == (400, code, param)


@pytest.mark.asyncio
async def test_another_keys_webhooks_are_not_there(tmp_path: Path) -> None:
    async with (
        receiving() as receiver,
        running(tmp_path, **allowing(receiver)) as server,
        server.http() as http,
    ):
        mine = {"X-API-Key": server.keys.new("mine")}
        other = {"X-API-Key": server.keys.new("other")}
        body = {"url": receiver.url}
        endpoint = (await http.post(WEBHOOKS, json=body, headers=mine)).json()
        await ended(http, await asked(http, "one", headers=mine), headers=mine)
        path = WEBHOOKS + "/deliveries"
        (delivery,) = (await http.get(path, headers=mine)).json()["deliveries"]
        assert (await http.get(path, headers=other)).json()["deliveries"] == []
        assert (await http.get(WEBHOOKS, headers=other)).json() == {"endpoints": []}
        for answer in (
            await http.delete(f"{WEBHOOKS}/{endpoint['id']}", headers=other),
            await http.post(f"{path}/{delivery['id']}/replay", headers=other),
            await http.post(f"{path}/nonsense/replay", headers=mine),
        ):
            assert code_of(answer)[:2] == (404, "not_found")
        secrets = [
            (await http.get(WEBHOOKS + "/secret", headers=key)).json()["secret"]
            for key in (mine, other)
        ]
        assert secrets[0] != secrets[1]
        assert code_of(await http.get(WEBHOOKS))[:2] == (401, "unauthenticated")
