"""A client of jobs that knows what it is owed: none lost, each done, told and charged once, no litter."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from streamer.audio.decoder import decode
from tests.robustness.receiver import SECRET, Receiver
from tests.server_process import ServerProcess

END_S = 60.0
"""What is waited for has happened by then, or never does."""
TEXTS = (
    "Hello there.",
    "Two words. And four more here.",
    "It is on its way, and will be here by noon.",
    "Good night!",
)
VOICES = ("tone-low", "heart", "tone-high", "heart")
AUDIO: tuple[dict[str, Any], ...] = (
    {"codec": "opus"},
    {"codec": "pcm_s16le", "sample_rate": 24000},
    {"codec": "mp3"},
    {"codec": "flac"},
)
DATABASE = "streamer.sqlite3"
OURS = {
    "server.lock",
    "keys.json",
    "keys.lock",
    "files",
    DATABASE,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
}
"""All that a data directory may hold."""
SECRETS = ("whsec_", "signature=", "sk-streamer", *(text[:12] for text in TEXTS))
"""What no log may hold."""

AFTER_A_KILL = ("jobs of a crash",)
"""Events of warnings that a kill may leave in the log."""


@dataclass
class Order:
    """One job as it was asked for, and what came of it."""

    key: str
    body: dict[str, Any]
    cancelled: bool = False
    """Its client has thought better of it, at some moment."""
    job: dict[str, Any] = field(default_factory=dict)
    """The last that was told of it."""

    @property
    def id(self) -> str:
        return str(self.job["id"])


class Jobs:
    """HTTP as a careful client speaks it. What gets no answer is asked again."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.unanswered = 0

    async def ask(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        deadline = time.monotonic() + 2 * END_S  # it may be killed again meanwhile
        while True:
            try:
                return await self.http.request(method, path, json=json, headers=headers)
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"no answer to {method} {path}"
                self.unanswered += 1
                await asyncio.sleep(0.02)

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submit(self, order: Order) -> None:
        answer = await self.ask(
            "POST", "/v1/jobs", json=order.body, headers={"idempotency-key": order.key}
        )
        assert answer.status_code in (200, 202), answer.text
        order.job = answer.json()
        assert answer.headers["location"] == f"/v1/jobs/{order.id}"

    async def cancel(self, order: Order) -> None:
        answer = await self.ask("DELETE", f"/v1/jobs/{order.id}")
        assert answer.status_code == 200, answer.text
        order.job = answer.json()
        assert order.job["status"] in ("cancelled", "completed")

    async def new(self, text: str = TEXTS[0], voice: str = "tone-low", **fields: Any) -> Any:
        """A job that is accepted."""
        answer = await self.ask("POST", "/v1/jobs", json={"text": text, "voice": voice, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def job(self, id: str) -> Any:
        return await self.get(f"/v1/jobs/{id}")

    async def ended(self, id: str) -> Any:
        """The job, once it has ended."""
        deadline = time.monotonic() + END_S
        while (job := await self.job(id))["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, job
            await asyncio.sleep(0.02)
        return job

    async def begun(self, id: str) -> Any:
        """The job, once it runs or has ended."""
        deadline = time.monotonic() + END_S
        while (job := await self.job(id))["status"] == "queued":
            assert time.monotonic() < deadline, job
            await asyncio.sleep(0.005)
        return job

    async def all(self, path: str, name: str) -> list[Any]:
        """Every page of a list."""
        rows: list[Any] = []
        after = ""
        while True:
            page = await self.get(f"{path}?limit=400{after}")
            rows += page[name]
            if page["next"] is None:
                return rows
            after = f"&after={page['next']}"

    async def idle(self) -> None:
        """Wait until no job is pending."""
        deadline = time.monotonic() + 4 * END_S
        for status in ("running", "queued", "running"):
            while found := (await self.get(f"/v1/jobs?status={status}&limit=1"))["jobs"]:
                assert time.monotonic() < deadline, found
                await asyncio.sleep(0.1)

    async def characters(self) -> int:
        """All that was charged."""
        rows = (await self.get("/v1/usage"))["usage"]
        return sum(row["characters"] for row in rows)


@asynccontextmanager
async def _jobs(server: ServerProcess, key: str | None, wide: int) -> AsyncIterator[Jobs]:
    limits = httpx.Limits(max_connections=wide, max_keepalive_connections=wide)
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        base_url=server.url, headers=headers, timeout=END_S, limits=limits, trust_env=False
    ) as http:
        yield Jobs(http)


def jobs_of(
    server: ServerProcess, key: str | None = None, *, wide: int = 16
) -> AbstractAsyncContextManager[Jobs]:
    """A client of that server with at most `wide` connections."""
    return _jobs(server, key, wide)


def blobs(server: ServerProcess) -> set[str]:
    """Names of the files on disk."""
    with suppress(FileNotFoundError):
        return set(os.listdir(server.data / "files"))
    return set()


def live_blobs(server: ServerProcess) -> set[str]:
    """Names of the files that rows speak of."""
    with closing(sqlite3.connect(f"file:{server.data / DATABASE}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT blob FROM files WHERE blob <> '' AND deleted IS NULL")
        return {blob for (blob,) in rows}


async def nothing_stray(server: ServerProcess) -> None:
    """The data directory holds what is live, and no more. Deletions may still be on their way."""
    deadline = time.monotonic() + END_S
    while (found := blobs(server)) != (live := live_blobs(server)):
        assert time.monotonic() < deadline, found ^ live
        await asyncio.sleep(0.1)
    assert set(os.listdir(server.data)) <= OURS, os.listdir(server.data)


def orders(count: int, receiver: Receiver, rng: random.Random) -> list[Order]:
    """Jobs of both engines and many formats; one in two has a secret of its own, one in ten two results,
    one in twenty is cancelled."""
    made = []
    for n in range(count):
        webhook = {"url": receiver.url}
        if rng.random() < 0.5:
            webhook["secret"] = SECRET
        body = {
            "text": rng.choice(TEXTS),
            "voice": VOICES[n % len(VOICES)],
            "audio": rng.choice(AUDIO),
            "seed": 7,
            "results": 2 if rng.random() < 0.1 else 1,
            "webhook": webhook,
            "metadata": {"n": str(n)},
        }
        made.append(Order(f"order-{n}", body, rng.random() < 0.05))
    return made


class _Kills:
    """kill -9 at random moments after each start. Every start after the first is of `program`."""

    def __init__(
        self, server: ServerProcess, count: int, most_s: float, rng: random.Random
    ) -> None:
        self.done = 0
        self.over = False
        self._count = count
        self._server = server
        self._most_s = most_s
        self._rng = rng

    async def run(self, program: Sequence[str]) -> None:
        for _ in range(self._count):
            await asyncio.sleep(self._rng.uniform(0, self._most_s))
            self._server.kill()
            await asyncio.to_thread(self._server.restart, program)
            self.done += 1
        self.over = True

    async def due(self, part: float) -> None:
        """Wait until that part of them is done, but for one."""
        while self.done < int(part * self._count) - 1:
            await asyncio.sleep(0.02)


SUBMITTERS = 8
NEXT_VERSION = (
    "-c",
    "import streamer; streamer.__version__ = '999.0.0'; from streamer.cli import main; main()",
)
"""The same program under another version."""


async def jobs_survive_kills(
    server: ServerProcess, receiver: Receiver, *, count: int, kills: int, most_s: float, seed: int
) -> dict[str, float]:
    """So many jobs, and so many times kill -9, at most `most_s` after a start. What was seen, in figures."""
    rng = random.Random(seed)
    began = time.monotonic()
    async with jobs_of(server) as client:
        receiver.secrets.add((await client.get("/v1/webhooks/secret"))["secret"])
        made = orders(count, receiver, rng)
        killing = _Kills(server, kills, most_s, rng)
        todo = iter(list(enumerate(made)))
        pause_s = SUBMITTERS * most_s * kills / count  # they are as quick as the kills, on average

        async def submitter() -> None:
            for n, order in todo:
                await killing.due(n / count)
                await asyncio.sleep(rng.uniform(0, pause_s))
                await client.submit(order)
                if order.cancelled:
                    await asyncio.sleep(rng.uniform(0, 2))
                    await client.cancel(order)

        async with asyncio.TaskGroup() as group:
            uploading = group.create_task(_uploads(client, killing))
            group.create_task(killing.run(NEXT_VERSION))
            for _ in range(SUBMITTERS):
                group.create_task(submitter())
        await _still_there(client, uploading.result())
        await client.idle()
        spoken = time.monotonic() - began
        await _all_told(client, receiver, made)
        await _each_done_once(client, made)
        await nothing_stray(server)
        return {
            "seconds until all were spoken": round(spoken, 1),
            "seconds in all": round(time.monotonic() - began, 1),
            "requests without an answer": client.unanswered,
            "attempts": sum(order.job["attempts"] for order in made),
            "webhooks received": len(receiver.told),
        }


async def _uploads(client: Jobs, killing: _Kills) -> dict[str, bytes]:
    """One upload after the other until the last kill. Those that were acknowledged, by id."""
    kept: dict[str, bytes] = {}
    while not killing.over:
        data = os.urandom(300_000)
        with suppress(httpx.TransportError):
            answer = await client.http.post("/v1/files", content=data)
            assert answer.status_code == 201, answer.text
            kept[answer.json()["id"]] = data
        await asyncio.sleep(0.1)
    return kept


async def _still_there(client: Jobs, kept: Mapping[str, bytes]) -> None:
    for id, data in kept.items():
        answer = await client.ask("GET", f"/v1/files/{id}/content")
        assert answer.content == data
    for file in await client.all("/v1/files", "files"):
        if file["purpose"] == "upload":
            assert file["size"] == 300_000


async def _each_done_once(client: Jobs, made: Sequence[Order]) -> None:
    listed = await client.all("/v1/jobs", "jobs")
    by_id = {job["id"]: job for job in listed}
    assert len(by_id) == len(listed), "a job is listed twice"
    assert sorted(by_id) == sorted(order.id for order in made)
    for order in made:
        told, order.job = order.job, by_id[order.id]
        assert order.job["metadata"] == order.body["metadata"]
        assert order.job["error"] is None
        if order.cancelled:
            assert order.job == told, "it has changed since it was cancelled"
        else:
            assert order.job["status"] == "completed", order.job
    completed = [order for order in made if order.job["status"] == "completed"]
    charged = await client.characters()
    assert charged == sum(len(order.body["text"]) * order.body["results"] for order in completed)
    assert charged == sum(order.job["usage"]["characters"] for order in completed)
    files = [file for file in await client.all("/v1/files", "files") if file["purpose"] == "result"]
    spoken = [order for order in completed if not order.cancelled]
    results = [result["file"] for order in spoken for result in order.job["results"]]
    assert sorted(file["id"] for file in files) == sorted(results), (
        "files without a job, or jobs without"
    )
    lengths: dict[str, int] = {}
    for order in made:
        if order.cancelled:
            answer = await client.ask("GET", f"/v1/jobs/{order.id}/audio")
            assert answer.status_code == 410, answer.text
        else:
            await _sound_is_right(client, order, lengths)


async def _sound_is_right(client: Jobs, order: Order, lengths: dict[str, int]) -> None:
    """Each result is as long as the text is when it is spoken to a listener."""
    body = {name: order.body[name] for name in ("text", "voice", "audio", "seed")}
    results = order.job["results"]
    assert [result["index"] for result in results] == list(range(order.body["results"]))
    for result in results:
        answer = await client.ask("GET", f"/v1/jobs/{order.id}/audio?result={result['index']}")
        assert answer.status_code == 200, answer.text
        assert len(answer.content) == result["size"]
        samples = len(decode(answer.content)[0])
        if result["index"]:  # it may be a little faster or slower, so that it differs
            assert 0.9 < samples / lengths[str(body)] < 1.1
            continue
        if str(body) not in lengths:
            spoken = await client.ask("POST", "/v1/speech", json=body)
            assert spoken.status_code == 200
            lengths[str(body)] = len(decode(spoken.content)[0])
        assert samples == lengths[str(body)] > 0, order.body


async def _all_told(client: Jobs, receiver: Receiver, made: Sequence[Order]) -> None:
    """Each job's end was told and received under one id, and the server knows it."""
    deadline = time.monotonic() + END_S
    wanted = {order.id for order in made}
    while receiver.kept() != wanted:
        assert time.monotonic() < deadline, wanted ^ receiver.kept()
        await asyncio.sleep(0.1)
    assert not receiver.bad, receiver.bad
    ids = receiver.ids()
    assert all(len(found) == 1 for found in ids.values()), "a job was told under two ids"
    numbers = {order.id: order.body["metadata"]["n"] for order in made}
    statuses = {job["id"]: job["status"] for job in await client.all("/v1/jobs", "jobs")}
    for one in receiver.told:
        assert one.data["metadata"]["n"] == numbers[one.data["id"]]
        assert one.type == f"job.{one.data['status']}" == f"job.{statuses[one.data['id']]}"
    while (await client.get("/v1/webhooks/deliveries?state=pending&limit=1"))["deliveries"]:
        assert time.monotonic() < deadline, "deliveries are still pending"
        await asyncio.sleep(0.1)
    deliveries = await client.all("/v1/webhooks/deliveries", "deliveries")
    assert {one["job"]: {one["id"]} for one in deliveries} == ids
    assert {one["state"] for one in deliveries} == {"delivered"}
