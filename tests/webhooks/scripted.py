"""A sender that answers as it is told, a clock that is set by hand, and webhooks over both."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from streamer.config import Settings
from streamer.database import Database
from streamer.errors import UrlNotAllowed
from streamer.resources import Delivery, WebhookTarget
from streamer.webhooks import POLICIES, Policy, Webhooks
from streamer.webhooks.outbox import Sender

START = 1_800_000_000.0
URL = "https://hooks.example.org/jobs"


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout_s: float | None
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[str], Awaitable[Reply]]


async def ok(url: str) -> Reply:
    return Reply()


async def never(url: str) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


def status(code: int, **headers: str) -> Answer:
    async def answer(url: str) -> Reply:
        return Reply(code, {name.replace("_", "-"): value for name, value in headers.items()})

    return answer


class Script:
    """Answers by `answer`; `sent` is all that was posted."""

    def __init__(self, clock: Clock, answer: Answer = ok) -> None:
        self.clock = clock
        self.answer = answer
        self.sent: list[Sent] = []

    def check(self, url: str, *, param: str = "url") -> None:
        if not url.startswith("https://"):
            raise UrlNotAllowed("not an address that this server opens", param=param)

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        max_bytes: int = 65536,
        timeout_s: float | None = None,
    ) -> Reply:
        self.sent.append(Sent(url, body, dict(headers), timeout_s, self.clock()))
        return await self.answer(url)


class Rig:
    """Webhooks over a database of its own. `opened` twice over one path is a restart."""

    def __init__(self, path: Path, sender: Sender, clock: Clock, **options: Any) -> None:
        self.database = Database(path / "streamer.sqlite3", [Webhooks.SCHEMA])
        self.clock = clock
        self.webhooks = Webhooks(
            self.database,
            sender,
            clock,
            settings=options.pop("settings", Settings()),
            wall=options.pop("wall", clock),
            jitter=options.pop("jitter", lambda: 0.5),
            **options,
        )
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        await self.webhooks.start()
        self.task = asyncio.create_task(self.webhooks.run())

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def tell(
        self,
        url: str | None = URL,
        *,
        key: str = "k",
        job: str = "job_1",
        data: Mapping[str, Any] | None = None,
        secret: str | None = None,
        policy: str = "standard",
    ) -> int:
        told = await self.database.write(
            partial(
                self.webhooks.enqueue,
                key=key,
                job=job,
                event="job.completed",
                data={"id": job} if data is None else data,
                target=None if url is None else WebhookTarget(url, secret, policy),
            )
        )
        self.webhooks.wake()
        return told

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.webhooks.wake()

    async def all(self, key: str = "k") -> list[Delivery]:
        return await self.webhooks.deliveries(key)

    async def until(self, state: str, *, key: str = "k", count: int = 1) -> list[Delivery]:
        """All deliveries of a key once so many are in that state."""
        found: list[Delivery] = []

        async def settled() -> bool:
            nonlocal found
            found = await self.all(key)
            return sum(delivery.state == state for delivery in found) >= count

        await eventually(settled)
        return found


async def eventually(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.002)


@asynccontextmanager
async def opened(
    path: Path, sender: Sender, clock: Clock, *, run: bool = True, **options: Any
) -> AsyncIterator[Rig]:
    rig = Rig(path, sender, clock, **options)
    try:
        if run:
            await rig.run()
        yield rig
    finally:
        await rig.stop()
        rig.database.close()


def with_policy(policy: Policy) -> dict[str, Policy]:
    return {**POLICIES, policy.name: policy}
