"""Evolink's addresses on a real server: tasks asked for, followed, cancelled and told of."""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.fetch import Fetcher
from streamer.server.limits import KeyLimits
from streamer.server.tls import self_signed
from tests.foreign import Foreign, Request, answer, foreign
from tests.server.running import eventually, running

CREATE = "/evolink/v1/audios/generations"
TASKS = "/evolink/v1/tasks"
SPEECH = {"model": "qwen3-tts-vd", "prompt": "one two", "voice": "alba"}
DESIGN = {"model": "qwen-voice-design", "voice_prompt": "Calm.", "preview_text": "one two three"}
DESIGNED = "qwen-tts-vd-announcer-voice-20260402-a1b2"
CODES = (
    *("invalid_parameters", "invalid_task_id", "unauthorized", "permission_denied"),
    *("quota_exceeded", "resource_exhausted", "resource_not_found", "service_unavailable"),
)


def error_of(answered: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and parameter of an error, once its form is checked."""
    (error,) = answered.json().values()
    assert set(error) - {"param"} == {"code", "message", "type"}
    assert answered.headers["content-type"] == "application/json"
    return answered.status_code, error["code"], error.get("param")


async def asked(http: httpx.AsyncClient, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    answered = await http.post(CREATE, json=body, **options)
    assert answered.status_code == 200, answered.text
    task: dict[str, Any] = answered.json()
    return task


async def ended(http: httpx.AsyncClient, task: dict[str, Any], **options: Any) -> dict[str, Any]:
    async with asyncio.timeout(15):
        while task["status"] in ("pending", "processing"):
            await asyncio.sleep(0.01)
            answered = await http.get(f"{TASKS}/{task['id']}", **options)
            assert answered.status_code == 200, answered.text
            task = answered.json()
    return task


@pytest.mark.asyncio
async def test_a_task_is_asked_for_followed_and_its_sound_is_a_file(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=5.0) as server, server.http() as http:
        task = await asked(http, SPEECH)
        assert re.fullmatch(r"task-unified-[0-9]{10}-[0-9a-z]{8}", task["id"])
        assert f"-{task['created']}-" in task["id"]
        assert task["task_info"]["can_cancel"] is True
        assert task["usage"] == {"credits_reserved": 0.035}
        task = await ended(http, task)
        assert (task["status"], task["progress"]) == ("completed", 100)
        assert task["usage"] == {"credits_reserved": 0.035}
        (url,) = task["results"]
        assert (await http.get(url)).content == b"onetwo"
        start = server.sessions.made[0].start
        assert (start.audio.container, start.audio.sample_rate) == ("wav", 24000)
        assert (start.options.voice, start.options.language) == ("alba", "auto")


@pytest.mark.asyncio
async def test_a_task_that_fails_says_why_in_a_documented_code(tmp_path: Path) -> None:
    async with running(tmp_path, job_attempts=1) as server, server.http() as http:
        for text, code in (("fail", "service_error"), ("crash", "unknown_error")):
            task = await ended(http, await asked(http, {**SPEECH, "prompt": text}))
            assert (task["status"], task["error"]["code"]) == ("failed", code)
            assert task["usage"] == {"credits_reserved": 0}
            assert "results" not in task


@pytest.mark.asyncio
async def test_a_task_is_cancelled_and_stays_so(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=5.0) as server, server.http() as http:
        task = await asked(http, {**SPEECH, "prompt": "forever"})
        for _ in range(2):
            answered = await http.post(f"{TASKS}/{task['id']}/cancel")
            told = answered.json()
            assert (answered.status_code, told["status"]) == (200, "failed")
            assert told["error"]["code"] == "request_cancelled"
            assert told["usage"] == {"credits_reserved": 0}
        assert (await http.get(f"{TASKS}/{task['id']}")).json() == told
        done = await ended(http, await asked(http, SPEECH))
        again = (await http.post(f"{TASKS}/{done['id']}/cancel")).json()
        assert again["status"] == "completed"
        assert (await http.get(again["results"][0])).content == b"onetwo"


@pytest.mark.asyncio
async def test_a_task_is_its_keys_and_this_apis_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        mine = {"Authorization": f"Bearer {server.keys.new('mine')}"}
        other = {"Authorization": f"Bearer {server.keys.new('other')}"}
        task = await ended(http, await asked(http, SPEECH, headers=mine), headers=mine)
        native = (await http.get("/v1/jobs", headers=mine)).json()["jobs"][0]["id"]
        for path, headers in (
            (task["id"], other),
            (native, mine),
            ("task-unified-1775122733-00000000", mine),
            ("nonsense", mine),
            ("%F0%9F%98%80", mine),
        ):
            for answered in (
                await http.get(f"{TASKS}/{path}", headers=headers),
                await http.post(f"{TASKS}/{path}/cancel", headers=headers),
            ):
                assert error_of(answered) == (400, "invalid_task_id", "task_id")
        assert error_of(await http.post(CREATE, json=SPEECH))[:2] == (401, "unauthorized")
        wrong = {"Authorization": "Bearer sk-evo-wrong"}
        refused = await http.get(f"{TASKS}/{task['id']}", headers=wrong)
        assert error_of(refused)[:2] == (401, "unauthorized")
        usage = {"Authorization": f"Bearer {server.keys.new('read', scopes=['usage'])}"}
        refused = await http.post(CREATE, json=SPEECH, headers=usage)
        assert error_of(refused)[:2] == (403, "permission_denied")


@pytest.mark.asyncio
async def test_without_keys_any_key_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        task = await asked(http, SPEECH, headers={"Authorization": "Bearer <token>"})
        assert (await ended(http, task))["status"] == "completed"


@pytest.mark.asyncio
async def test_what_a_key_may_not_is_refused_in_this_apis_form(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=1000.0) as server, server.http() as http:
        poor = server.keys.new("poor", KeyLimits(budget=1.0))
        headers = {"Authorization": f"Bearer {poor}"}
        refused = await http.post(CREATE, json=SPEECH, headers=headers)
        assert error_of(refused) == (402, "quota_exceeded", None)
    (tmp_path / "busy").mkdir()
    async with running(tmp_path / "busy", key_jobs=1) as server, server.http() as http:
        task = await asked(http, {**SPEECH, "prompt": "forever"})
        refused = await http.post(CREATE, json=SPEECH)
        assert error_of(refused)[:2] == (429, "resource_exhausted")
        assert int(refused.headers["retry-after"]) > 0
        await http.post(f"{TASKS}/{task['id']}/cancel")


REFUSED: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({**SPEECH, "prompt": ""}, (400, "invalid_parameters", "prompt")),
    ({**SPEECH, "prompt": "x" * 601}, (400, "invalid_parameters", "prompt")),
    ({**SPEECH, "voice": "nobody"}, (400, "invalid_parameters", "voice")),
    ({**SPEECH, "voice": DESIGNED}, (400, "invalid_parameters", "voice")),
    ({**SPEECH, "language_type": "Dutch"}, (400, "invalid_parameters", "language_type")),
    ({**SPEECH, "speed": 2}, (400, "invalid_parameters", "speed")),
    ({**SPEECH, "model": "tts-1"}, (404, "resource_not_found", "model")),
    ({**DESIGN, "voice_prompt": "x" * 2049}, (400, "invalid_parameters", "voice_prompt")),
    ({**DESIGN}, (404, "resource_not_found", "model")),
]
URLS = (
    "http://hooks.example/",
    "https://127.0.0.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://[::1]/",
    "https://2130706433/",
    "https://user:secret@hooks.example/",
    "https://",
    "https://hooks.example/" + "a" * 2048,
)


@pytest.mark.asyncio
async def test_a_bad_request_is_refused_by_name(tmp_path: Path) -> None:
    callbacks = [
        ({**SPEECH, "callback_url": url}, (400, "invalid_parameters", "callback_url"))
        for url in URLS
    ]
    async with running(tmp_path) as server, server.http() as http:
        for body, told in REFUSED + callbacks:
            assert error_of(await http.post(CREATE, json=body)) == told
        assert not (await http.get("/v1/jobs")).json()["jobs"]


@pytest.mark.asyncio
async def test_addresses_methods_and_bodies_that_are_not_are_refused_in_form(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, max_body_bytes=2048) as server, server.http() as http:
        assert error_of(await http.get("/evolink/v1/credits"))[:2] == (404, "resource_not_found")
        assert error_of(await http.get(CREATE))[0] == 405
        assert error_of(await http.post(CREATE, params={"x": "1"}, json=SPEECH))[2] == "x"
        for body in (b"", b"{", b"[]", b"\xff\xfe", b"x" * 4096):
            assert error_of(await http.post(CREATE, content=body))[1] == "invalid_parameters"


@pytest.mark.asyncio
async def test_a_stand_in_speaks_for_designed_voices_and_the_answer_says_so(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, stand_in="alba") as server, server.http() as http:
        answered = await http.post(CREATE, json={**DESIGN, "preferred_name": "calm"})
        assert answered.headers["x-streamer-warning"] == "stand_in"
        task = await ended(http, answered.json())
        assert (task["model"], task["status"]) == ("qwen-voice-design", "completed")
        assert (await http.get(task["results"][0])).content == b"onetwothree"
        voice = task["result_data"]["voice"]
        assert re.fullmatch(r"qwen-tts-vd-calm-voice-20[0-9]{6}-[0-9a-z]{4}", voice)
        answered = await http.post(CREATE, json={**SPEECH, "voice": voice})
        assert answered.headers["x-streamer-warning"] == "stand_in"
        path = f"{TASKS}/{answered.json()['id']}"
        assert (await http.get(path)).headers["x-streamer-warning"] == "stand_in"
        assert (await ended(http, answered.json()))["status"] == "completed"
        ours = await http.post(CREATE, json=SPEECH)
        assert "x-streamer-warning" not in ours.headers


@pytest.mark.asyncio
async def test_strict_takes_designed_voices_alone_as_the_document_does(tmp_path: Path) -> None:
    strict = running(tmp_path, hosted_strict=True, stand_in="alba")
    async with strict as server, server.http() as http:
        refused = await http.post(CREATE, json=SPEECH)
        assert error_of(refused) == (400, "invalid_parameters", "voice")
        task = await ended(http, await asked(http, {**SPEECH, "voice": DESIGNED}))
        assert task["status"] == "completed"


# Callbacks


@asynccontextmanager
async def receiving(
    directory: Path, monkeypatch: pytest.MonkeyPatch, *statuses: int, at: list[float] | None = None
) -> AsyncIterator[Foreign]:
    """An HTTPS receiver on loopback that the server of this test trusts. Its answers have these statuses
    one after another, then 200. `at`: becomes when each was asked for."""
    at = [] if at is None else at
    certificate, key, _ = self_signed("127.0.0.1")
    (directory / "cert.pem").write_bytes(certificate)
    (directory / "key.pem").write_bytes(key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    trusting = ssl.create_default_context(cafile=str(directory / "cert.pem"))
    monkeypatch.setattr("streamer.server.resources.Fetcher", partial(Fetcher, tls=trusting))
    left = list(statuses)

    async def tell(server: Foreign, request: Request, writer: asyncio.StreamWriter) -> None:
        at.append(asyncio.get_running_loop().time())
        status = left.pop(0) if left else 200
        writer.write(answer(status, location="https://elsewhere.example/", connection="close"))

    async with foreign(tell, tls=serving) as receiver:
        yield receiver


def reachable(receiver: Foreign) -> dict[str, Any]:
    return {"fetch_allow": ["127.0.0.0/8"], "fetch_ports": [receiver.port], "price_per_1000": 5.0}


@pytest.mark.asyncio
async def test_a_callback_tells_of_completed_failed_and_cancelled_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        receiving(tmp_path, monkeypatch, 201, 204) as receiver,
        running(tmp_path, job_attempts=1, **reachable(receiver)) as server,
        server.http() as http,
    ):
        url = f"https://127.0.0.1:{receiver.port}/hooks?token=1"
        for text in ("one", "fail", "forever"):
            count = len(receiver.requests)
            task = await asked(http, {**SPEECH, "prompt": text, "callback_url": url})
            if text == "forever":
                await http.post(f"{TASKS}/{task['id']}/cancel")
            await eventually(lambda count=count: len(receiver.requests) > count)
            assert server.service.ledger.usage.spent("") == pytest.approx(0.015)
            told = json.loads(receiver.requests[-1].body)
            assert told == (await http.get(f"{TASKS}/{task['id']}")).json()
        codes = [json.loads(r.body).get("error", {}).get("code") for r in receiver.requests]
        assert codes == [None, "service_error", "request_cancelled"]
        for request in receiver.requests:
            assert request.line.startswith("POST /hooks?token=1 ")
            assert request.headers["content-type"] == "application/json"
            assert not [name for name in request.headers if name.startswith("webhook-")]
        completed = json.loads(receiver.requests[0].body)
        assert completed["usage"] == {"credits_reserved": 0.015}


@pytest.mark.asyncio
async def test_a_callback_is_tried_four_times_and_any_2xx_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: list[float] = []
    async with (
        receiving(tmp_path, monkeypatch, 410, 302, 429, 503, at=at) as receiver,
        running(tmp_path, **reachable(receiver)) as server,
        server.http() as http,
    ):
        url = f"https://127.0.0.1:{receiver.port}/"
        await asked(http, {**SPEECH, "callback_url": url})
        await eventually(lambda: len(at) == 4)
        waits = [later - earlier for earlier, later in pairwise(at)]
        assert all(wait > least for wait, least in zip(waits, (0.9, 1.9, 3.9), strict=True))
        path = "/v1/webhooks/deliveries"
        async with asyncio.timeout(15):
            while (delivery := (await http.get(path)).json()["deliveries"][0])[
                "state"
            ] == "pending":
                await asyncio.sleep(0.01)
        assert (delivery["state"], delivery["attempts"]) == ("failed", 4)
        assert len({request.body for request in receiver.requests}) == 1
        await asked(http, {**SPEECH, "callback_url": url})
        await eventually(lambda: len(receiver.requests) == 5)
        async with asyncio.timeout(15):
            while (delivery := (await http.get(path)).json()["deliveries"][0])[
                "state"
            ] == "pending":
                await asyncio.sleep(0.01)
        assert (delivery["state"], delivery["attempts"]) == ("delivered", 1)


@pytest.mark.asyncio
async def test_the_keys_own_endpoints_hear_of_it_as_of_any_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        receiving(tmp_path, monkeypatch) as receiver,
        running(tmp_path, **reachable(receiver)) as server,
        server.http() as http,
    ):
        url = f"https://127.0.0.1:{receiver.port}"
        await http.post("/v1/webhooks", json={"url": url + "/own"})
        await asked(http, {**SPEECH, "callback_url": url + "/task"})
        await eventually(lambda: len(receiver.requests) == 2)
        told = {r.line.split()[1]: json.loads(r.body) for r in receiver.requests}
        assert told["/task"]["object"] == "audio.generation.task"
        assert told["/own"]["type"] == "job.completed"


# Anything at all


def made_up(chance: random.Random) -> bytes:
    """A body like those that clients send, with something wrong in it, or not."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(60))
    body: dict[str, Any] = dict(chance.choice((SPEECH, DESIGN)))
    odd: tuple[Any, ...] = (
        *(None, True, 0, -1, 1e308, "", " ", "x" * 3000, "\ud800", "\x00", "😀" * 600, [], {}),
        *("Auto", "English", "qwen3-tts-vd", "qwen-voice-design", DESIGNED, "alba", "hang"),
        *("https://127.0.0.1/", "https://hooks.example/", "https://[", "https://a:99999/", [[[]]]),
        *({"a": 1}, 24000, "mp3", "zh"),
    )
    names = [*SPEECH, *DESIGN, "language_type", "callback_url", "language", "x", "", "sample_rate"]
    for _ in range(chance.randrange(4)):
        name = chance.choice(names)
        if chance.random() < 0.2:
            body.pop(name, None)
        else:
            body[name] = chance.choice(odd)
    text = json.dumps(body).encode()
    return text[: chance.randrange(len(text))] if chance.random() < 0.1 else text


@pytest.mark.asyncio
async def test_no_body_is_more_than_this_api_can_answer(tmp_path: Path) -> None:
    chance = random.Random(4)
    async with running(tmp_path, stand_in="alba") as server, server.http() as http:
        statuses = set()
        for _ in range(400):
            body = made_up(chance)
            answered = await http.post(CREATE, content=body)
            statuses.add(answered.status_code)
            if answered.status_code == 200:
                assert answered.json()["object"] == "audio.generation.task"
                await http.post(f"{TASKS}/{answered.json()['id']}/cancel")
            else:
                assert error_of(answered)[1] in CODES, body
        assert statuses == {200, 400, 404}
