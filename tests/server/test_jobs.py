"""Jobs over HTTP: asked for once however often, followed, cancelled, and what they made."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import html
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import webvtt

from streamer.engines.tone import Tone
from streamer.server.limits import KeyLimits
from streamer.server.run import sessions
from streamer.voices import Catalogue
from tests.server.running import eventually, running, settings_for

JOBS = "/v1/jobs"


def code_of(answer: httpx.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


async def asked(http: httpx.AsyncClient, text: str, **options: Any) -> dict[str, Any]:
    """A new job; `options` of the request."""
    headers = options.pop("headers", {})
    answer = await http.post(JOBS, json={"text": text, **options}, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{JOBS}/{job['id']}"
    return job


async def ended(http: httpx.AsyncClient, job: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The job once it has ended."""
    async with asyncio.timeout(15):
        while job["status"] in ("queued", "running"):
            await asyncio.sleep(0.01)
            job = (await http.get(f"{JOBS}/{job['id']}", **options)).json()
    return job


@pytest.mark.asyncio
async def test_job_is_spoken_and_its_sound_is_a_file(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        job = await asked(http, "one two", metadata={"order": "7"})
        assert (job["status"] in ("queued", "running"), job["metadata"]) == (True, {"order": "7"})
        job = await ended(http, job)
        assert (job["status"], job["progress"], job["error"]) == ("completed", 1.0, None)
        (result,) = job["results"]
        assert (result["index"], result["mime"], result["size"]) == (0, "audio/pcm", 6)
        assert job["usage"]["characters"] == job["text_characters"] == 7
        assert (await http.get(result["url"])).content == b"onetwo"
        path = f"{JOBS}/{job['id']}"
        for url in (path + "/audio", path + "/audio?result=0", "/native" + path + "/audio"):
            answer = await http.get(url)
            assert (answer.status_code, answer.content) == (200, b"onetwo")
            assert answer.headers["content-type"] == "audio/pcm"
        answer = await http.get(path + "/audio", headers={"Range": "bytes=-3"})
        assert (answer.status_code, answer.content) == (206, b"two")
        assert (await http.head(path + "/audio")).headers["content-length"] == "6"
        assert (await http.get(path + "/words")).json() == {"words": []}
        file = (await http.get(f"/v1/files/{result['file']}")).json()
        assert (file["purpose"], file["url"]) == ("result", result["url"])
        assert not server.sessions.made[0].paced


@pytest.mark.asyncio
async def test_words_of_a_job_are_those_of_its_text(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    catalogue = Catalogue({"tone": Tone()})
    with_tone = sessions(settings, catalogue)
    async with (
        running(tmp_path, catalogue=catalogue, sessions=with_tone) as server,
        server.http() as http,
    ):
        text = "One two three. And four."
        job = await ended(http, await asked(http, text, audio={"codec": "mp3"}))
        (result,) = job["results"]
        assert (result["mime"], job["voice"]) == ("audio/mpeg", catalogue.voices[0].id)
        assert job["engine"] == "tone"
        answer = await http.get(f"{JOBS}/{job['id']}/words")
        words = answer.json()["words"]
        assert [word["text"] for word in words] == ["One", "two", "three", "And", "four"]
        assert all(text[w["offset"] :].startswith(w["text"]) for w in words)
        times = [time for word in words for time in (word["start_ms"], word["end_ms"])]
        assert times == sorted(times)
        assert times[-1] <= result["audio_ms"]
        sound = (await http.get(result["url"])).content
        assert len(sound) == result["size"] > 1000


@pytest.mark.asyncio
async def test_captions_of_a_job_are_a_file_that_a_library_reads(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    catalogue = Catalogue({"tone": Tone()})
    with_tone = sessions(settings, catalogue)
    async with (
        running(tmp_path, catalogue=catalogue, sessions=with_tone) as server,
        server.http() as http,
    ):
        job = await ended(
            http, await asked(http, "One & two three. And <four> more of them, then.")
        )
        path = f"{JOBS}/{job['id']}/captions"
        answer = await http.get(path)
        assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
        captions = webvtt.from_string(answer.text, strict=True).captions
        said = " ".join(html.unescape(caption.text) for caption in captions)
        assert " ".join(said.split()) == "One & two three. And <four> more of them, then."
        assert "<00:00:0" in answer.text
        answer = await http.get(path + "?format=srt&result=0")
        assert answer.headers["content-type"] == "application/x-subrip; charset=utf-8"
        plain = webvtt.from_buffer(io.StringIO(answer.text), format="srt").captions
        assert [(c.start, c.end) for c in plain] == [(c.start, c.end) for c in captions]
        assert answer.text.startswith("1\n00:00:0")
        assert code_of(await http.get(path + "?format=ass"))[1:] == ("invalid_parameter", "format")
        assert code_of(await http.get(path + "?result=1"))[:2] == (404, "not_found")
        silent = await ended(http, await asked(http, "One.", timestamps="none"))
        answer = await http.get(f"{JOBS}/{silent['id']}/captions")
        assert code_of(answer)[1:] == ("not_available", "id")
        await http.delete(f"{JOBS}/{job['id']}")
        assert code_of(await http.get(path))[:2] == (410, "gone")


@pytest.mark.asyncio
async def test_same_idempotency_key_is_the_same_job(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        headers = {"Idempotency-Key": "order 7"}
        answers = await asyncio.gather(
            *(http.post(JOBS, json={"text": "one", "speed": 1}, headers=headers) for _ in range(20))
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 19 + [202]
        assert len({answer.json()["id"] for answer in answers}) == 1
        for answer in answers:
            replayed = answer.headers.get("idempotency-replayed")
            assert replayed == (None if answer.status_code == 202 else "true")
            assert answer.headers["location"]
        # The same request in other words; then another request.
        same = b'{"speed": 1.0, "text" : "one", "seed": null}'
        assert (await http.post(JOBS, content=same, headers=headers)).status_code == 200
        answer = await http.post(JOBS, json={"text": "two"}, headers=headers)
        assert code_of(answer)[:2] == (422, "idempotency_conflict")
        assert len((await http.get(JOBS)).json()["jobs"]) == 1


@pytest.mark.asyncio
async def test_idempotency_keys_of_two_keys_are_two(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        once = {"Idempotency-Key": "x"}
        jobs = [
            await asked(http, "one", headers={"X-API-Key": server.keys.new(name)} | once)
            for name in ("mine", "other")
        ]
        assert jobs[0]["id"] != jobs[1]["id"]


@pytest.mark.parametrize("key", ["", "a\tb", "ü", "x" * 256])
@pytest.mark.asyncio
async def test_idempotency_key_is_printable_and_short(tmp_path: Path, key: str) -> None:
    async with running(tmp_path) as server, server.http() as http:
        headers = {b"Idempotency-Key": key.encode()}
        answer = await http.post(JOBS, json={"text": "one"}, headers=headers)
        assert code_of(answer) == (400, "invalid_parameter", "Idempotency-Key")


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"text": ""}, 400, "invalid_parameter", "text"),
        ({"results": 0}, 400, "invalid_parameter", "results"),
        ({"results": 5}, 400, "invalid_parameter", "results"),
        ({"ttl_s": 0}, 400, "invalid_parameter", "ttl_s"),
        ({"ttl_s": 1e8}, 400, "invalid_parameter", "ttl_s"),
        ({"metadata": {"a": 1}}, 400, "invalid_parameter", "metadata"),
        ({"webhook": {"url": 5}}, 400, "invalid_parameter", "webhook.url"),
        ({"webhook": {"url": "ftp://a"}}, 400, "url_not_allowed", "webhook.url"),
        ({"webhook": {"url": "http://10.0.0.1/"}}, 400, "url_not_allowed", "webhook.url"),
        ({"webhook": {"url": "http://[::1]/"}}, 400, "url_not_allowed", "webhook.url"),
        (
            {"webhook": {"url": "https://a.example/", "secret": "weak"}},
            400,
            "invalid_parameter",
            "webhook.secret",
        ),
        ({"voice": "nobody"}, 404, "unknown_voice", "voice"),
        ({"delivery": "lines"}, 400, "unknown_parameter", "delivery"),
        ({"audio": {"transport": "json"}}, 400, "unknown_parameter", "audio.transport"),
    ],
)
@pytest.mark.asyncio
async def test_bad_request_names_the_parameter_and_makes_no_job(
    tmp_path: Path, fields: dict[str, Any], status: int, code: str, param: str
) -> None:
    async with running(tmp_path) as server, server.http() as http:
        answer = await http.post(JOBS, json={"text": "one", **fields})
        assert code_of(answer) == (status, code, param)
        assert (await http.get(JOBS)).json()["jobs"] == []


@pytest.mark.asyncio
async def test_bad_bodies_and_queries_are_typed_errors(tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=2048) as server, server.http() as http:
        assert code_of(await http.post(JOBS, content=b"{"))[:2] == (400, "invalid_message")
        answer = await http.post(JOBS, json={"text": "x" * 4096})
        assert code_of(answer)[:2] == (413, "message_limit")
        job = await asked(http, "one")
        path = f"{JOBS}/{job['id']}"
        for url, code, param in (
            (f"{JOBS}?status=over", "invalid_parameter", "status"),
            (f"{JOBS}?limit=0", "invalid_parameter", "limit"),
            (f"{JOBS}?page=2", "unknown_parameter", "page"),
            (f"{path}?words=1", "unknown_parameter", "words"),
            (f"{path}/audio?result=x", "invalid_parameter", "result"),
            (f"{path}/audio?result=-1", "invalid_parameter", "result"),
            (f"{path}/words?index=0", "unknown_parameter", "index"),
        ):
            assert code_of(await http.get(url)) == (400, code, param)
        answer = await http.post(f"{JOBS}?wait=1", json={"text": "one"})
        assert code_of(answer) == (400, "unknown_parameter", "wait")
        answer = await http.put(JOBS)
        assert code_of(answer)[:2] == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, POST"
        assert (await http.post(path)).headers["allow"] == "GET, HEAD, DELETE"


@pytest.mark.asyncio
async def test_job_that_fails_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, job_attempts=1) as server, server.http() as http:
        job = await ended(http, await asked(http, "one fail"))
        assert (job["status"], job["results"]) == ("failed", [])
        assert job["error"]["code"] == "engine_failed"
        answer = await http.get(f"{JOBS}/{job['id']}/audio")
        assert code_of(answer)[:2] == (502, "engine_failed")


@pytest.mark.asyncio
async def test_sound_before_its_time_is_not_ready(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        job = await asked(http, "hang")
        for thing in ("audio", "words"):
            answer = await http.get(f"{JOBS}/{job['id']}/{thing}")
            assert code_of(answer)[:2] == (409, "not_ready")
            assert int(answer.headers["retry-after"]) >= 0


@pytest.mark.asyncio
async def test_cancelled_job_tells_no_more(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        job = await asked(http, "forever")
        answer = await http.delete(f"{JOBS}/{job['id']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert (await http.delete(f"{JOBS}/{job['id']}")).json()["status"] == "cancelled"
        answer = await http.get(f"{JOBS}/{job['id']}/audio")
        assert answer.status_code in (404, 409, 410)
        await eventually(lambda: all(s.freed for s in server.sessions.made if s.packets))


@pytest.mark.asyncio
async def test_results_of_a_job_that_is_deleted_or_expired_are_gone(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        short = await ended(http, await asked(http, "one", ttl_s=0.05))
        kept = await ended(http, await asked(http, "two"))
        await http.delete(f"{JOBS}/{kept['id']}")
        await asyncio.sleep(0.1)
        for job in (short, kept):
            assert code_of(await http.get(f"{JOBS}/{job['id']}/audio"))[:2] == (410, "gone")
            assert code_of(await http.get(f"{JOBS}/{job['id']}/words"))[:2] == (410, "gone")
            assert code_of(await http.get(job["results"][0]["url"]))[:2] == (410, "gone")
            assert (await http.get(f"{JOBS}/{job['id']}")).status_code == 200


@pytest.mark.asyncio
async def test_several_results_are_several_files(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        job = await ended(http, await asked(http, "one two", results=2, seed=7))
        assert [result["index"] for result in job["results"]] == [0, 1]
        assert job["results"][0]["seed"] != job["results"][1]["seed"]
        for index, result in enumerate(job["results"]):
            answer = await http.get(f"{JOBS}/{job['id']}/audio", params={"result": index})
            assert answer.content == (await http.get(result["url"])).content == b"onetwo"
        answer = await http.get(f"{JOBS}/{job['id']}/audio?result=2")
        assert code_of(answer)[:2] == (404, "not_found")
        answer = await http.get(f"{JOBS}/{job['id']}/words?result=2")
        assert code_of(answer)[:2] == (404, "not_found")


@pytest.mark.asyncio
async def test_another_keys_job_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine")}
        other = {"X-API-Key": server.keys.new("other")}
        job = await ended(http, await asked(http, "one", headers=mine), headers=mine)
        path = f"{JOBS}/{job['id']}"
        for answer in (
            await http.get(path, headers=other),
            await http.get(path + "/audio", headers=other),
            await http.get(path + "/words", headers=other),
            await http.delete(path, headers=other),
            await http.get(f"{JOBS}/nonsense", headers=mine),
        ):
            assert code_of(answer)[:2] == (404, "not_found")
        assert (await http.get(JOBS, headers=other)).json() == {"jobs": [], "next": None}
        assert code_of(await http.get(path))[:2] == (401, "unauthenticated")
        assert (await http.get(job["results"][0]["url"])).content == b"one"
        query = job["results"][0]["url"].partition("?")[2]
        assert (await http.get(f"{path}/audio?{query}")).status_code == 401


@pytest.mark.asyncio
async def test_list_goes_on_after_the_last_of_a_page(tmp_path: Path) -> None:
    async with running(tmp_path, job_attempts=1) as server, server.http() as http:
        jobs = [await asked(http, text) for text in ("one", "fail", "two", "three", "four")]
        for job in jobs:
            await ended(http, job)
        seen: list[str] = []
        after: str | None = None
        for size in (2, 2, 1):
            query = {"limit": 2} | ({"after": after} if after else {})
            page = (await http.get(JOBS, params=query)).json()
            assert len(page["jobs"]) == size
            seen += [job["id"] for job in page["jobs"]]
            after = page["next"]
        assert after is None
        assert seen == [job["id"] for job in reversed(jobs)]
        failed = (await http.get(JOBS, params={"status": "failed"})).json()["jobs"]
        assert [job["id"] for job in failed] == [jobs[1]["id"]]


@pytest.mark.asyncio
async def test_draining_server_takes_no_jobs_and_leaves_the_others_queued(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.http() as http:
        job = await asked(http, "hang")
        await eventually(lambda: server.sessions.made)
        server.service.ledger.draining = True
        answer = await http.post(JOBS, json={"text": "one"})
        assert code_of(answer)[:2] == (503, "draining")
        assert (await http.get(f"{JOBS}/{job['id']}")).status_code == 200
    async with running(tmp_path) as server, server.http() as http:
        again = (await http.get(f"{JOBS}/{job['id']}")).json()
        assert again["status"] in ("queued", "running")
        assert (again["id"], again["created_at"]) == (job["id"], job["created_at"])
        assert (await http.delete(f"{JOBS}/{job['id']}")).json()["status"] == "cancelled"


@pytest.mark.asyncio
async def test_limits_and_budget_hold_for_jobs(tmp_path: Path) -> None:
    async with (
        running(tmp_path, price_per_1000=1000.0, key_jobs=2) as server,
        server.http() as http,
    ):
        limits = KeyLimits(chars_per_minute=30, budget=20.0)
        mine = {"X-API-Key": server.keys.new("mine", limits)}
        await asked(http, "hang" + " x" * 5, headers=mine)
        answer = await http.post(JOBS, json={"text": "x" * 7}, headers=mine)
        assert code_of(answer)[:2] == (402, "budget_spent")
        answer = await http.post("/v1/speech", json={"text": "x" * 7}, headers=mine)
        assert code_of(answer)[:2] == (402, "budget_spent")
        answer = await http.post(JOBS, json={"text": "x" * 31}, headers=mine)
        assert answer.status_code in (402, 413)
        other = {"X-API-Key": server.keys.new("other", dataclasses.replace(limits, budget=None))}
        await asked(http, "hang" + " x" * 10, headers=other)
        answer = await http.post(JOBS, json={"text": "x" * 7}, headers=other)
        assert code_of(answer)[:2] == (429, "rate_limited")
        await asked(http, "hang", headers=other)
        answer = await http.post(JOBS, json={"text": "x"}, headers=other)
        assert code_of(answer)[:2] == (429, "job_limit")


@pytest.mark.asyncio
async def test_what_a_job_used_is_in_its_keys_usage(tmp_path: Path) -> None:
    async with running(tmp_path, price_per_1000=10.0) as server, server.http() as http:
        mine = {"X-API-Key": server.keys.new("mine")}
        job = await ended(http, await asked(http, "one two", headers=mine), headers=mine)
        assert job["cost"] == 0.07
        usage = (await http.get("/v1/usage", headers=mine)).json()
        (row,) = usage["usage"]
        assert (row["characters"], row["cost"], usage["spent"]) == (7, 0.07, 0.07)


@pytest.mark.asyncio
async def test_preflight_allows_what_pages_need(tmp_path: Path) -> None:
    page = {"Origin": "http://localhost:5173"}
    async with running(tmp_path) as server, server.http() as http:
        server.keys.new("app")
        answer = await http.options(JOBS, headers=page)
        assert answer.status_code == 204
        assert "DELETE" in answer.headers["access-control-allow-methods"]
        for name in ("idempotency-key", "range"):
            assert name in answer.headers["access-control-allow-headers"]
        refused = await http.get(JOBS, headers=page)
        for name in ("location", "content-range", "accept-ranges", "idempotency-replayed"):
            assert name in refused.headers["access-control-expose-headers"]


@pytest.mark.asyncio
async def test_metrics_show_jobs(tmp_path: Path) -> None:
    async with running(tmp_path, job_attempts=1) as server, server.http() as http:
        await ended(http, await asked(http, "one two"))
        await ended(http, await asked(http, "fail"))
        lines = (await http.get("/metrics")).text.splitlines()
        for line in (
            'streamer_jobs{status="queued"} 0.0',
            'streamer_jobs{status="running"} 0.0',
            'streamer_jobs_finished_total{status="completed"} 1.0',
            'streamer_jobs_finished_total{status="failed"} 1.0',
            "streamer_characters_total 7.0",
        ):
            assert line in lines


@pytest.mark.asyncio
async def test_text_of_a_job_is_neither_told_nor_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "streamer")
    async with running(tmp_path) as server, server.http() as http:
        hook = {
            "url": "https://hooks.example/hush?token=hush",
            "secret": "whsec_" + base64.b64encode(b"hush" * 8).decode(),
        }
        job = await ended(http, await asked(http, "hush", webhook=hook, metadata={"a": "hush"}))
        assert "whsec_" not in json.dumps(job)
        assert (await http.get(JOBS)).text.count("hush") == 3  # URL twice, metadata once
        told = json.dumps(
            [{**vars(record), "args": None} for record in caplog.records], default=str
        )
        assert "hush" not in told
        assert "aHVz" not in told
