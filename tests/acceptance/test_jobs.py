"""Jobs, files and webhooks against the real server: each once, each its owner's, none lost, nothing left."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from streamer.jobs import FORMAT
from streamer.server.auth import KeyStore
from tests.robustness.checks import log_is_clean
from tests.robustness.jobs import (
    AFTER_A_KILL,
    DATABASE,
    END_S,
    NEXT_VERSION,
    SECRETS,
    TEXTS,
    blobs,
    jobs_of,
    jobs_survive_kills,
    nothing_stray,
)
from tests.robustness.receiver import SECRET, Receiver, receiving
from tests.server_process import ServerProcess, refusal, running_server

LONG = "This goes on for a while, and nobody listens to it yet. " * 6
MOVING = frozenset(
    "status progress position estimate_s started_at finished_at expires_at attempts usage cost"
    " results voice engine".split()
)
"""What changes while a job is worked on."""


@dataclass
class Keyed:
    """A server that wants keys."""

    server: ServerProcess
    store: KeyStore

    def new(self, name: str) -> str:
        return self.store.new(name)


@pytest.fixture(scope="module")
def keyed() -> Iterator[Keyed]:
    """At the end its data directory holds nothing stray, and its log nothing secret."""
    with running_server("tone,hibari", ["--log-level", "debug"]) as server:
        it = Keyed(server, KeyStore(server.data))
        it.new("first")
        yield it
        asyncio.run(nothing_stray(server))
        log_is_clean(server, *SECRETS, LONG[:12])


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["error"]["code"]
    return code


@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_60_jobs_survive_3_kills_each_done_and_charged_once_and_told() -> None:
    receiver = Receiver(failing=0.04, hanging=0.02, rng=random.Random(3))
    receiver.secrets.add(SECRET)
    async with receiving(receiver):
        flags = [*receiver.flags(), "--fetch-timeout-s", "2", "--log-level", "debug"]
        with running_server("tone,hibari", flags) as server:
            await jobs_survive_kills(server, receiver, count=60, kills=3, most_s=1.5, seed=3)
            log_is_clean(server, *SECRETS, warnings=AFTER_A_KILL)


@pytest.mark.asyncio
async def test_50_equal_requests_at_once_are_one_job_and_one_charge(keyed: Keyed) -> None:
    async with jobs_of(keyed.server, keyed.new("fifty"), wide=50) as client:
        await asyncio.gather(*(client.get("/v1/jobs") for _ in range(50)))  # 50 connections open
        body = {"text": TEXTS[1], "voice": "tone-low", "metadata": {"order": "one"}}
        headers = {"idempotency-key": "all of us"}
        answers = await asyncio.gather(
            *(client.ask("POST", "/v1/jobs", json=body, headers=headers) for _ in range(50))
        )
        assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
        replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
        assert replayed.count("true") == 49
        told = [answer.json() for answer in answers]
        same = [{name: job[name] for name in job.keys() - MOVING} for job in told]
        assert all(one == same[0] for one in same)
        assert len({answer.headers["location"] for answer in answers}) == 1
        await client.ended(told[0]["id"])
        assert [job["id"] for job in await client.all("/v1/jobs", "jobs")] == [told[0]["id"]]
        assert len(await client.all("/v1/files", "files")) == 1
        assert await client.characters() == len(TEXTS[1])
        other = await client.ask("POST", "/v1/jobs", json=body | {"results": 2}, headers=headers)
        assert (other.status_code, code_of(other)) == (422, "idempotency_conflict")
        again = await client.ask("POST", "/v1/jobs", json=body, headers=headers)
        assert (again.status_code, again.json()["status"]) == (200, "completed")


@pytest.mark.asyncio
@pytest.mark.timeout(300)  # it waits in the measure of what a job takes
@pytest.mark.parametrize("voice", ["tone-low", "heart"])
async def test_cancel_at_any_moment_ends_it_and_its_files_are_gone(
    keyed: Keyed, voice: str
) -> None:
    rng = random.Random(5)
    async with jobs_of(keyed.server, keyed.new(f"cancels {voice}")) as client:
        text = " ".join(TEXTS)
        whole = await client.ended((await client.new(text, voice))["id"])
        took = max(0.05, _seconds(whole))
        files: set[str] = set()
        left: dict[str, Any] = {}
        for n in range(20):
            job = await client.new(text, voice, audio={"codec": "pcm_s16le"}, results=1 + n % 2)
            await asyncio.sleep(rng.uniform(0, 2.5 * took) if n else 0)
            files |= {result["file"] for result in (await client.job(job["id"]))["results"]}
            answer = await client.ask("DELETE", f"/v1/jobs/{job['id']}")
            assert answer.status_code == 200
            left[job["id"]] = answer.json()
        assert {job["status"] for job in left.values()} == {"cancelled", "completed"}
        last = await client.ended((await client.new())["id"])
        assert last["status"] == "completed"
        for id, job in left.items():
            assert await client.job(id) == job, "it has changed since"
            sound = await client.ask("GET", f"/v1/jobs/{id}/audio")
            assert (sound.status_code, code_of(sound)) == (410, "gone"), job["status"]
        for file in files:
            assert (await client.ask("GET", f"/v1/files/{file}")).status_code == 410
        completed = [job for job in left.values() if job["status"] == "completed"]
        charged = sum(job["usage"]["characters"] for job in [whole, last, *completed])
        assert await client.characters() == charged
        kept = [whole["results"][0]["file"], last["results"][0]["file"]]
        assert sorted(f["id"] for f in await client.all("/v1/files", "files")) == sorted(kept)
    await nothing_stray(keyed.server)


def _seconds(job: dict[str, Any]) -> float:
    """How long it took once it had begun."""
    started, finished = (datetime.fromisoformat(job[f"{n}_at"]) for n in ("started", "finished"))
    return (finished - started).total_seconds()


@pytest.mark.asyncio
async def test_cancel_of_a_long_job_frees_its_place_at_once(keyed: Keyed) -> None:
    async with jobs_of(keyed.server, keyed.new("long")) as client:
        long = [await client.new(LONG * 8, "heart") for _ in range(3)]
        await client.begun(long[0]["id"])
        for job in long:
            answer = await client.ask("DELETE", f"/v1/jobs/{job['id']}")
            assert answer.json()["status"] == "cancelled"
        short = await client.ended((await client.new())["id"])
        assert short["status"] == "completed"
        assert await client.characters() == len(TEXTS[0])


@pytest.mark.asyncio
async def test_expired_files_are_gone_from_disk_and_answer_410(keyed: Keyed) -> None:
    before = blobs(keyed.server)
    async with jobs_of(keyed.server, keyed.new("expiry")) as client:
        job = await client.ended((await client.new(ttl_s=1.5))["id"])
        (result,) = job["results"]
        headers = {"content-type": "audio/wav"}
        given = await client.http.post("/v1/files?ttl_s=1.5", content=b"RIFF", headers=headers)
        assert given.status_code == 201
        mine = given.json()
        assert len(blobs(keyed.server) - before) == 2
        links = [
            f"/v1/jobs/{job['id']}/audio",
            *(f"/v1/files/{id}{part}" for id in (result["file"], mine["id"]) for part in PARTS),
            *(_path(one["url"]) for one in (result, mine)),
        ]
        for link in links:
            assert (await client.ask("GET", link)).status_code == 200, link
        async with asyncio.timeout(END_S):
            while blobs(keyed.server) - before:
                await asyncio.sleep(0.05)
        for link in links:
            answer = await client.ask("GET", link)
            assert (answer.status_code, code_of(answer)) == (410, "gone"), link
        assert await client.all("/v1/files", "files") == []
        assert (await client.job(job["id"]))["status"] == "completed"


PARTS = ("", "/content")


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


@pytest.mark.asyncio
async def test_signed_url_altered_anywhere_is_refused(keyed: Keyed) -> None:
    async with jobs_of(keyed.server, keyed.new("signed")) as client:
        job = await client.ended((await client.new())["id"])
        other = await client.ended((await client.new(TEXTS[2]))["id"])
        link = _path(job["results"][0]["url"])
        assert job["results"][0]["url"] == f"{keyed.server.url}{link}"
        altered = [
            link.replace(job["results"][0]["file"], other["results"][0]["file"]),
            link.replace("expires=", "expires=0"),
            link.replace("expires=", "expires=+"),
            f"{link}=",
            f"{link}A",
            link[:-1],
            link.replace("&signature", "&expires=9999999999&signature"),
            *(
                f"{link[:at]}{'1' if link[at] == '0' else '0'}{link[at + 1 :]}"
                for at in range(link.index("file_"), len(link))
            ),
        ]
    async with jobs_of(keyed.server) as anyone:
        good = await anyone.http.get(link)
        assert good.status_code == 200
        assert len(good.content) == job["results"][0]["size"]
        ranged = await anyone.http.get(link, headers={"range": "bytes=10-19"})
        assert (ranged.status_code, ranged.content) == (206, good.content[10:20])
        for one in altered:
            answer = await anyone.ask("GET", one)
            assert answer.status_code in (400, 401, 404), (one, answer.status_code)


@pytest.mark.asyncio
async def test_what_is_another_keys_can_not_be_seen(keyed: Keyed) -> None:
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(jobs_of(keyed.server, keyed.new("mine")))
        other = await stack.enter_async_context(jobs_of(keyed.server, keyed.new("other")))
        hook = {"url": "https://hooks.example.invalid/told"}
        endpoint = (await mine.ask("POST", "/v1/webhooks", json=hook)).json()
        job = await mine.ended((await mine.new())["id"])
        (delivery,) = await mine.all("/v1/webhooks/deliveries", "deliveries")
        assert delivery["job"] == job["id"]
        (result,) = job["results"]
        hidden = [
            ("GET", f"/v1/jobs/{job['id']}"),
            ("GET", f"/v1/jobs/{job['id']}/audio"),
            ("GET", f"/v1/jobs/{job['id']}/words"),
            ("DELETE", f"/v1/jobs/{job['id']}"),
            ("GET", f"/v1/files/{result['file']}"),
            ("GET", f"/v1/files/{result['file']}/content"),
            ("DELETE", f"/v1/files/{result['file']}"),
            ("POST", f"/v1/webhooks/deliveries/{delivery['id']}/replay"),
            ("DELETE", f"/v1/webhooks/{endpoint['id']}"),
        ]
        for method, path in hidden:
            answer = await other.ask(method, path)
            assert (answer.status_code, code_of(answer)) == (404, "not_found"), path
        for path, name in LISTS:
            assert await other.all(path, name) == []
        for path, id in zip(PAGED, (job["id"], result["file"], delivery["id"]), strict=True):
            answer = await other.ask("GET", f"{path}?after={id}")
            assert (answer.status_code, code_of(answer)) == (400, "invalid_parameter"), path
        found = (await other.get(f"/v1/webhooks/deliveries?job={job['id']}"))["deliveries"]
        assert found == []
        secrets = [(await one.get("/v1/webhooks/secret"))["secret"] for one in (mine, other)]
        assert secrets[0] != secrets[1]
        assert await mine.job(job["id"]) == job
        assert [one["id"] for one in (await mine.get("/v1/webhooks"))["endpoints"]] == [
            endpoint["id"]
        ]


LISTS = (
    ("/v1/jobs", "jobs"),
    ("/v1/files", "files"),
    ("/v1/webhooks/deliveries", "deliveries"),
)
PAGED = tuple(path for path, _ in LISTS)


@pytest.mark.asyncio
async def test_sigterm_puts_running_jobs_back_and_burns_no_attempt() -> None:
    with running_server("tone,hibari", ["--job-attempts", "1"]) as server:
        async with jobs_of(server) as client:
            made = [await client.new(LONG, VOICES[n % 2]) for n in range(4)]
            for _ in range(2):
                await client.begun(made[0]["id"])
                server.terminate()
                assert await asyncio.to_thread(server.wait) == 0
                await asyncio.to_thread(server.restart)
            ends = [await client.ended(job["id"]) for job in made]
            assert {job["status"] for job in ends} == {"completed"}
            assert await client.characters() == len(made) * len(LONG)
        await nothing_stray(server)
        log_is_clean(server, LONG[:12])


VOICES = ("heart", "tone-low")


@pytest.mark.asyncio
async def test_second_server_is_refused_the_data_of_one_whose_jobs_run() -> None:
    with running_server("hibari") as server:
        async with jobs_of(server) as client:
            job = await client.new(LONG, "heart")
            await client.begun(job["id"])
            line = await asyncio.to_thread(refusal, server.data)
            assert "another server uses data_dir" in line
            ended = await client.ended(job["id"])
            assert (ended["status"], ended["attempts"]) == ("completed", 1)


@pytest.mark.asyncio
async def test_new_version_goes_on_with_what_is_pending_and_leaves_newer_jobs_alone() -> None:
    with running_server("tone,hibari", ["--job-workers", "1"]) as server:
        async with jobs_of(server) as client:
            made = [await client.new(LONG, "heart") for _ in range(3)]
            await client.begun(made[0]["id"])
            server.kill()
            _change_format(server, made[1]["id"], +FORMAT)
            await asyncio.to_thread(server.restart, NEXT_VERSION)
            for job in (made[0], made[2]):
                assert (await client.ended(job["id"]))["status"] == "completed"
            answer = await client.ask("GET", f"/v1/jobs/{made[1]['id']}")
            assert (answer.status_code, code_of(answer)) == (501, "not_available")
            server.terminate()
            assert await asyncio.to_thread(server.wait) == 0
            _change_format(server, made[1]["id"], -FORMAT)
            await asyncio.to_thread(server.restart)
            newer = await client.ended(made[1]["id"])
            assert (newer["status"], newer["attempts"]) == ("completed", 1)
        log_is_clean(
            server, LONG[:12], warnings=(*AFTER_A_KILL, "jobs of a newer program are left alone")
        )


def _change_format(server: ServerProcess, job: str, by: int) -> None:
    """As a program newer than any would have stored it; it must not have been touched since."""
    with closing(sqlite3.connect(server.data / DATABASE)) as database, database:
        changed = database.execute(
            "UPDATE jobs SET format = format + ? WHERE id = ? AND status = 'queued' AND claims = 0",
            (by, job),
        )
        assert changed.rowcount == 1


TELLS_THREADS = (
    "-c",
    """
import signal, threading
def tell(number, frame):
    print("threads", *(thread.name for thread in threading.enumerate()), flush=True)
signal.signal(signal.SIGUSR1, tell)
from streamer.cli import main
main()
""",
)
"""The program, which tells of its threads when asked by a signal."""


def test_server_without_jobs_has_the_databases_threads_and_no_processes() -> None:
    with running_server("tone", program=TELLS_THREADS) as server:
        time.sleep(1.5)  # usage is written every second
        server.process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + END_S
        while "\nthreads " not in server.log():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        names = server.log().partition("\nthreads ")[2].splitlines()[0].split()
        ours = [name for name in names if not name.startswith(("asyncio_", "uvloop_"))]
        assert sorted(ours) == ["MainThread", "database-reader", "database-writer"]
        tasks = Path(f"/proc/{server.process.pid}/task")
        assert [child for t in tasks.iterdir() for child in (t / "children").read_text()] == []
