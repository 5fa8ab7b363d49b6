"""A client of crun finds all that its documents say, and what they leave open as docs/move-from says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamer.errors import Draining, EngineFailed, StorageFull
from streamer.protocols import crun
from streamer.server.limits import KeyLimits
from tests.server.hosted.tones import WORD_S, decoded, toned
from tests.server.running import eventually, running
from tests.webhooks.receiver import receiving

CREATE = "/crun/api/v1/client/job/CreateTask"
INFO = "/crun/api/v1/client/job/TaskInfo"
BALANCE = "/crun/api/v1/client/account/balance"
INPUT: dict[str, Any] = {"text": "One two three.", "voice": "Serena", "language_type": "English"}
GOOD: dict[str, Any] = {"model": "qwen3-tts/speech-synthesis", "input": INPUT}
CLONE = {
    "model": "qwen3-tts/voice-clone",
    "input": {"text": "One.", "audio_url": "https://voices.example/me.wav", "transcript": "Two."},
}
DESIGN = {
    "model": "qwen3-tts/voice-design",
    "input": {"text": "One.", "description": "a warm storyteller voice with gentle pacing"},
}
EXAMPLE = """\
{
  "model": "qwen3-tts/speech-synthesis",
  "callback_url": "https://your-domain.com/api/callback",
  "input": {
    "text": "Welcome to Qwen3 TTS. We can synthesize natural speech in multiple languages.",
    "voice": "Serena",
    "language_type": "English",
    "instructions": "Speak clearly with a friendly, confident tone.",
    "optimize_instructions": true
  }
}
"""
"""The document's own."""


def asking(**changes: Any) -> dict[str, Any]:
    """A good request with these changes to its input."""
    return {**GOOD, "input": {**INPUT, **changes}}


async def created(http: httpx.AsyncClient, body: Any, **headers: str) -> str:
    """The id of the new task."""
    answer = await http.post(CREATE, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert set(told) == {"code", "message", "data"}
    assert (told["code"], told["message"], set(told["data"])) == (200, "success", {"task_id"})
    assert told["data"]["task_id"].startswith("task_")
    return str(told["data"]["task_id"])


async def task(http: httpx.AsyncClient, id: str, **headers: str) -> dict[str, Any]:
    answer = await http.get(INFO, params={"task_id": id}, headers=headers)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["code"], told["message"]) == (200, "success")
    data: dict[str, Any] = told["data"]
    return data


async def ended(http: httpx.AsyncClient, id: str, **headers: str) -> dict[str, Any]:
    """The task once it has ended, polled as crun's clients do."""
    async with asyncio.timeout(20):
        while (data := await task(http, id, **headers))["status"] not in ("success", "failed"):
            assert data["status"] == "running"
            assert (data["result"], data["duration_s"], data["complete_at"]) == (None, None, None)
            await asyncio.sleep(0.01)
    return data


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The code of an error in crun's form, which is its HTTP status, and what it says."""
    told = answer.json()
    assert set(told) == {"code", "message", "data"}
    assert (told["code"], told["data"]) == (answer.status_code, None)
    assert answer.headers["content-type"] == "application/json"
    return told["code"], told["message"]


@pytest.mark.asyncio
@pytest.mark.requires("curl", "curl")
async def test_the_documents_curl_gets_the_documents_answer(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--include", "--request", "POST", "--url", server.url + CREATE),
            *("--header", "Content-Type: application/json", "--header", "x-api-key: <api-key>"),
            *("--data", EXAMPLE),
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            out, _ = await curl.communicate()
        head, _, body = out.decode().partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200")
        assert (
            "x-streamer-warning: instructions_ignored, optimize_instructions_ignored"
            in head.lower()
        )
        told = json.loads(body)
        assert told == {
            "code": 200,
            "message": "success",
            "data": {"task_id": told["data"]["task_id"]},
        }
        data = await ended(http, told["data"]["task_id"])
        assert data["param"] == json.loads(EXAMPLE)
        assert data["status"] == "success"
        (url,) = data["result"]["media_urls"]
        codec, rate, channels, sound = decoded((await http.get(url)).content)
        assert (codec, rate, channels) == ("pcm_s16le", 24000, 1)
        assert len(sound) / rate == pytest.approx(12 * WORD_S, rel=0.1)


@pytest.mark.asyncio
async def test_a_task_tells_what_was_asked_and_when(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        id = await created(http, GOOD)
        data = await ended(http, id)
        assert data["task_id"] == id
        assert (data["provider"], data["model_version"]) == ("Streamer", "speech-synthesis")
        assert data["param"] == {**GOOD, "callback_url": None}
        assert (data["source"], data["result"]["code"]) == ("api", 200)
        assert data["duration_s"] >= 0
        assert 0 <= data["complete_at"] - data["create_at"] <= 20
        answer = await http.get(data["result"]["media_urls"][0])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": INPUT}, "model"),
        ({**GOOD, "model": "qwen3-tts/other"}, "model"),
        ({**GOOD, "model": 7}, "model"),
        ({"model": GOOD["model"]}, "input"),
        ({**GOOD, "input": None}, "input"),
        ({**GOOD, "webhook": "x"}, "webhook"),
        (asking(speed=1), "input.speed"),
        (asking(text=""), "input.text"),
        (asking(text=" \n"), "input.text"),
        (asking(voice="Nobody"), "input.voice"),
        (asking(voice=3), "input.voice"),
        (asking(language_type="Klingon"), "input.language_type"),
        (asking(optimize_instructions="yes"), "input.optimize_instructions"),
        ({**GOOD, "callback_url": "ftp://a.example/"}, "callback_url"),
        ({**GOOD, "callback_url": "http://127.0.0.1/"}, "callback_url"),
        ({**GOOD, "callback_url": "http://a.example/" + "x" * 2048}, "callback_url"),
        ({**CLONE, "input": {"text": "One."}}, "input.audio_url"),
        ({**DESIGN, "input": {"text": "One.", "voice": "Serena"}}, "input.voice"),
    ],
)
async def test_what_is_wrong_is_422_and_named(tmp_path: Path, body: Any, named: str) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        code, message = refused(await http.post(CREATE, json=body))
        assert code == 422
        assert named in message
        assert (await http.get("/v1/jobs")).json()["jobs"] == []


@pytest.mark.asyncio
async def test_addresses_and_methods_that_are_none_are_404(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        answers = [
            await http.get("/crun"),
            await http.get("/crun/api/v1/client/job"),
            await http.put(CREATE, json=GOOD),
            await http.get(CREATE),
            await http.get(INFO, params={"task_id": "task_of_nobody"}),
            await http.get(INFO, params={"task_id": ""}),
        ]
        assert [refused(answer)[0] for answer in answers] == [404] * 6
        assert answers[3].headers["allow"] == "POST"
        assert refused(await http.get(INFO))[0] == 422
        assert refused(await http.get(INFO, params={"task_id": "a", "b": "c"}))[0] == 422
        assert refused(await http.post(CREATE, content=b"{"))[0] == 422
        assert refused(await http.post(CREATE, content=b"x" * 2_000_000))[0] == 422


@pytest.mark.asyncio
async def test_a_task_belongs_to_its_key_and_to_this_api(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        mine, other = server.keys.new("mine"), server.keys.new("other")
        for headers in ({}, {"x-api-key": "no"}, {"authorization": "Bearer no"}):
            assert refused(await http.post(CREATE, json=GOOD, headers=headers))[0] == 401
        id = await created(http, GOOD, **{"x-api-key": mine})
        assert (await ended(http, id, authorization=f"Bearer {mine}"))["status"] == "success"
        answer = await http.get(INFO, params={"task_id": id}, headers={"x-api-key": other})
        assert refused(answer)[0] == 404

        headers = {"x-api-key": mine}
        (job,) = (await http.get("/v1/jobs", headers=headers)).json()["jobs"]
        native = await http.post("/v1/jobs", json={"text": "One."}, headers=headers)
        for hidden in (job["id"], native.json()["id"]):
            answer = await http.get(INFO, params={"task_id": hidden}, headers=headers)
            assert refused(answer)[0] == 404


@pytest.mark.asyncio
async def test_without_keys_whatever_key_is_sent_is_taken(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        assert await created(http, GOOD, **{"x-api-key": "YOUR_API_KEY"})
        assert (await http.get(BALANCE)).json()["data"] == {"balance": None}


@pytest.mark.asyncio
async def test_a_budget_counts_down_and_is_402_when_spent(tmp_path: Path) -> None:
    async with toned(tmp_path, price_per_1000=1000.0) as server, server.http() as http:
        headers = {"x-api-key": server.keys.new("poor", limits=KeyLimits(budget=20.0))}
        assert (await http.get(BALANCE, headers=headers)).json()["data"] == {"balance": 20}
        id = await created(http, GOOD, **headers)  # 14 characters
        left = (await http.get(BALANCE, headers=headers)).json()["data"]["balance"]
        assert left == pytest.approx(6)
        await ended(http, id, **headers)
        assert (await http.get(BALANCE, headers=headers)).json()["data"]["balance"] == left
        assert refused(await http.post(CREATE, json=GOOD, headers=headers))[0] == 402


@pytest.mark.asyncio
async def test_too_many_requests_are_429_with_a_time_to_come_back(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        limits = KeyLimits(requests_per_minute=1)
        headers = {"x-api-key": server.keys.new("slow", limits=limits)}
        await created(http, GOOD, **headers)
        answer = await http.post(CREATE, json=GOOD, headers=headers)
        assert refused(answer)[0] == 429
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.asyncio
async def test_a_server_that_shuts_down_is_455(tmp_path: Path) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        server.service.ledger.draining = True
        answer = await http.post(CREATE, json=GOOD)
        assert (refused(answer)[0], answer.headers["retry-after"]) == (455, "1")
        server.service.ledger.draining = False


@pytest.mark.asyncio
async def test_a_synthesis_that_failed_is_told_with_501(tmp_path: Path) -> None:
    async with running(tmp_path, job_attempts=1) as server, server.http() as http:
        data = await ended(http, await created(http, {**GOOD, "input": {"text": "one fail"}}))
        assert (data["status"], data["result"]["code"]) == ("failed", 501)
        assert data["result"]["message"]
        assert "media_urls" not in data["result"]


@pytest.mark.asyncio
async def test_a_task_that_was_cancelled_is_failed(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        id = await created(http, {**GOOD, "input": {"text": "forever"}})
        (job,) = (await http.get("/v1/jobs")).json()["jobs"]
        await http.delete(f"/v1/jobs/{job['id']}")
        data = await task(http, id)
        assert (data["status"], data["result"]["code"]) == ("failed", 501)


@pytest.mark.asyncio
async def test_a_fault_of_ours_is_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with toned(tmp_path) as server, server.http() as http:

        def broken(body: bytes) -> crun.Task:
            raise ZeroDivisionError

        monkeypatch.setattr(crun, "decode_task", broken)
        code, message = refused(await http.post(CREATE, json=GOOD))
        assert (code, "request id" in message) == (500, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [asking(instructions="Whisper."), asking(optimize_instructions=True)],
    ids=["instructions", "optimize_instructions"],
)
async def test_hints_that_nobody_follows_are_warned_of_or_refused_when_strict(
    tmp_path: Path, body: Any
) -> None:
    (hint,) = set(body["input"]) - set(INPUT)
    async with toned(tmp_path) as server, server.http() as http:
        answer = await http.post(CREATE, json=body)
        assert answer.headers["x-streamer-warning"] == f"{hint}_ignored"
        told = await http.get(INFO, params={"task_id": answer.json()["data"]["task_id"]})
        assert told.headers["x-streamer-warning"] == f"{hint}_ignored"
        answer = await http.post(CREATE, json=asking(instructions="", optimize_instructions=False))
        assert "x-streamer-warning" not in answer.headers
    async with toned(tmp_path, hosted_strict=True) as server, server.http() as http:
        code, message = refused(await http.post(CREATE, json=body))
        assert (code, f"input.{hint}" in message) == (422, True)
        assert await created(http, GOOD)


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [CLONE, DESIGN], ids=["clone", "design"])
async def test_a_voice_that_cannot_be_made_is_505_or_the_stand_in(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    async with toned(tmp_path) as server, server.http() as http:
        assert refused(await http.post(CREATE, json=body))[0] == 505
    async with toned(tmp_path, stand_in="tone-high") as server, server.http() as http:
        answer = await http.post(CREATE, json=body)
        assert answer.headers["x-streamer-warning"] == "stand_in"
        data = await ended(http, answer.json()["data"]["task_id"])
        assert data["status"] == "success"
        assert data["param"]["input"] == body["input"]
        (job,) = (await http.get("/v1/jobs")).json()["jobs"]
        assert job["voice"] == "tone-high"


@pytest.mark.asyncio
async def test_the_reference_of_a_clone_is_no_way_inside(tmp_path: Path) -> None:
    async with toned(tmp_path, stand_in="tone-high") as server, server.http() as http:
        inside = {"text": "One.", "audio_url": "http://169.254.169.254/latest"}
        code, message = refused(await http.post(CREATE, json={**CLONE, "input": inside}))
        assert (code, "input.audio_url" in message) == (422, True)


@pytest.mark.asyncio
async def test_the_callback_is_the_bare_data_again_until_its_answer_is_200(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.statuses["/callback"] = ["204", "500"]
        hooks: dict[str, Any] = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [receiver.port]}
        async with toned(tmp_path, **hooks) as server, server.http() as http:
            body = {**GOOD, "callback_url": receiver.url("/callback")}
            id = await created(http, body)
            await eventually(lambda: len(receiver.received) == 3)
            assert {one.method for one in receiver.received} == {"POST"}
            assert len({one.body for one in receiver.received}) == 1
            told = json.loads(receiver.received[0].body)
            data = await task(http, id)
            assert told == data
            headers = receiver.received[0].headers
            assert headers["content-type"] == "application/json"
            assert not [name for name in headers if name.startswith("webhook")]
            (delivery,) = (await http.get("/v1/webhooks/deliveries")).json()["deliveries"]
            await eventually(lambda: server.service.resources.webhooks.counters.delivered)
            assert delivery["attempts"] >= 2


@pytest.mark.asyncio
async def test_a_failed_task_and_one_of_long_text_are_told_in_full(tmp_path: Path) -> None:
    async with receiving() as receiver:
        hooks: dict[str, Any] = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [receiver.port]}
        async with toned(tmp_path, **hooks) as server, server.http() as http:
            url = receiver.url("/callback")
            text = "x" * 30_000  # more than a webhook of ours may be
            await created(http, {**asking(text=text), "callback_url": url})
            await eventually(lambda: receiver.received)
            data = json.loads(receiver.received[0].body)
            assert (data["status"], data["param"]["input"]["text"]) == ("success", text)
    async with receiving() as receiver:
        hooks = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [receiver.port]}
        directory = tmp_path / "failing"
        directory.mkdir()
        async with (
            running(directory, job_attempts=1, **hooks) as server,
            server.http() as http,
        ):
            url = receiver.url("/callback")
            await created(http, {**GOOD, "input": {"text": "fail"}, "callback_url": url})
            await eventually(lambda: receiver.received)
            data = json.loads(receiver.received[0].body)
            assert (data["status"], data["result"]["code"]) == ("failed", 501)


@pytest.mark.asyncio
async def test_the_keys_own_webhooks_are_told_as_ever(tmp_path: Path) -> None:
    async with receiving() as receiver:
        hooks: dict[str, Any] = {"fetch_allow": ["127.0.0.1"], "fetch_ports": [receiver.port]}
        async with toned(tmp_path, **hooks) as server, server.http() as http:
            await http.post("/v1/webhooks", json={"url": receiver.url("/native")})
            await created(http, {**GOOD, "callback_url": receiver.url("/callback")})
            await eventually(lambda: len(receiver.received) == 2)
            told = {one.path: json.loads(one.body) for one in receiver.received}
            assert told["/native"]["type"] == "job.completed"
            assert told["/native"]["data"]["id"].startswith("job_")
            assert told["/callback"]["task_id"].startswith("task_")


@pytest.mark.asyncio
async def test_a_restart_takes_nothing_from_a_task(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        id = await created(http, {**GOOD, "input": {"text": "hang"}})
        await eventually(lambda: server.sessions.made[-1].packets or True)
    async with toned(tmp_path) as server, server.http() as http:
        data = await ended(http, id)
        assert (data["status"], data["param"]["input"]["text"]) == ("success", "hang")


def test_codes_of_errors_are_the_documented_ones() -> None:
    assert [crun.code_of(error("x")) for error in (Draining, EngineFailed, StorageFull)] == [
        *(455, 501, 455)
    ]
    assert {code for _, code in crun.CODES} == {401, 402, 404, 422, 429, 455, 500, 501, 505}
