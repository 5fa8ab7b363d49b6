"""The loop that sends what is due, and keeps how it went."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from streamer.database import Database, Work
from streamer.errors import StreamerError
from streamer.webhooks import deliveries, schedule
from streamer.webhooks.policies import STANDARD, Attempt, Policy, judge, retry_after
from streamer.webhooks.schedule import Due, Message
from streamer.webhooks.signature import sign

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 16
"""Attempts under way."""
GRACE_S = 2.0
"""How long attempts may still end by themselves when the loop is cancelled."""
STORAGE_RETRY_S = 1.0
"""Between tries while the database can't be used."""
LOOK_S = 60.0
"""Longest wait between looks at what is due and what is stale: a machine that slept wakes late."""
REST = 4.0
"""A look is followed by so many times its length without one: a large backlog costs readers little."""
ANSWER_BYTES = 65536


class Reply(Protocol):
    """What an outbox needs of an answer. Names of headers are in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Sender(Protocol):
    """What an outbox needs of `fetch.Fetcher`."""

    def check(self, url: str, *, param: str = "url") -> None: ...

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        max_bytes: int = ANSWER_BYTES,
        timeout_s: float | None = None,
    ) -> Reply: ...


@dataclass(slots=True)
class Counters:
    """What has been done since the start, for metrics. `attempts` by status ("200") or by word
    ("timeout"); `pending` is how many wait now."""

    delivered: int = 0
    failed: int = 0
    disabled: int = 0
    pending: int = 0
    attempts: Counter[str] = field(default_factory=Counter)


class Outbox:
    """Sends the rows of one database. One `run` at a time."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        clock: Callable[[], float],
        *,
        policies: Mapping[str, Policy],
        timeout_s: float,
        keep_s: float,
        wall: Callable[[], float],
        jitter: Callable[[], float],
        counters: Counters,
    ) -> None:
        self._database = database
        self._sender = sender
        self._clock = clock
        self._policies = policies
        self._timeout_s = timeout_s
        self._keep_s = keep_s
        self._wall = wall
        self._jitter = jitter
        self._counters = counters
        self._changed = asyncio.Event()
        self._busy: dict[asyncio.Task[None], Due] = {}

    def wake(self) -> None:
        """Something may be due."""
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled. What is under way then has a moment to end; what has not ended stays
        pending, and is sent again with the same id."""
        sweeper = asyncio.create_task(self._sweep(), name="webhook-sweeper")
        try:
            while True:
                await self._round()
        finally:
            try:
                if self._busy:
                    await asyncio.wait(self._busy, timeout=GRACE_S)
            finally:
                left = [sweeper, *self._busy]
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)

    async def _round(self) -> None:
        """Begin what is due, then wait for the next or for a change."""
        self._changed.clear()
        began = time.monotonic()
        now = self._clock()
        look = partial(schedule.waiting, now=now, busy=tuple(self._busy.values()), most=AT_ONCE)
        try:
            waiting = await self._database.read(look)
        except (StreamerError, sqlite3.Error) as error:
            log.warning("webhooks wait for the database", extra={"error": type(error).__name__})
            await asyncio.sleep(STORAGE_RETRY_S)
            return
        self._counters.pending = waiting.pending
        for due in waiting.due:
            task = asyncio.create_task(self._deliver(due.seq), name=f"webhook-{due.seq}")
            self._busy[task] = due
            task.add_done_callback(self._ended)
        await asyncio.sleep(min(REST * (time.monotonic() - began), STORAGE_RETRY_S))
        wait_s = LOOK_S
        if waiting.next_at is not None:
            wait_s = min(max(waiting.next_at - self._clock(), 0), LOOK_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._busy[task]
        self._changed.set()

    async def _sweep(self) -> None:
        """Drop what ended long ago, a part at a time, until cancelled."""
        while True:
            before = self._clock() - self._keep_s
            try:
                while await self._database.read(partial(deliveries.stale, before=before)):
                    await self._database.write(partial(deliveries.sweep, before=before))
            except (StreamerError, sqlite3.Error) as error:
                log.warning("webhooks not dropped", extra={"error": type(error).__name__})
            await asyncio.sleep(LOOK_S)

    async def _deliver(self, seq: int) -> None:
        """One attempt, from the row to what is kept of it. Ends with an error in the log at worst: the row
        stays pending then, and is not tried again at once."""
        try:
            message = await self._database.read(
                partial(schedule.message, seq=seq, now=self._clock())
            )
            if message is None:
                return
            policy = self._policies.get(message.policy, STANDARD)
            await self._record(message, policy, await self._attempt(message, policy))
        except Exception as error:
            log.error("webhook not tried", extra={"row": seq, "error": type(error).__name__})
            await asyncio.sleep(STORAGE_RETRY_S)

    async def _attempt(self, message: Message, policy: Policy) -> Attempt:
        """Send it once."""
        timeout_s = self._timeout_s if policy.timeout_s is None else policy.timeout_s
        try:
            reply = await self._sender.post(
                message.url,
                message.body,
                self._headers(message, policy),
                max_bytes=ANSWER_BYTES,
                timeout_s=timeout_s,
            )
        except StreamerError as error:
            return Attempt(error=str(error.details.get("reason") or error.code))
        except Exception as error:  # ours or a library's: it takes its turn like any failure
            log.error("webhook not sent", extra={"webhook": message.id}, exc_info=error)
            return Attempt(error="internal_error")
        word = "" if reply.status in policy.success else f"status_{reply.status}"
        wait_s = retry_after(reply.headers.get("retry-after"), self._wall())
        return Attempt(reply.status, word, wait_s)

    def _headers(self, message: Message, policy: Policy) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if policy.signing == "standard":
            timestamp = int(self._wall())
            headers["webhook-id"] = message.id
            headers["webhook-timestamp"] = str(timestamp)
            headers["webhook-signature"] = sign(
                message.secrets, message.id, timestamp, message.body
            )
        return headers

    async def _record(self, message: Message, policy: Policy, attempt: Attempt) -> None:
        """Keep how it went, however long the database can't be used."""
        verdict = judge(policy, message.attempts + 1, attempt, jitter=self._jitter())
        work = partial(
            schedule.record, message=message, attempt=attempt, verdict=verdict, now=self._clock()
        )
        await self._insist(work, message.id)
        counters = self._counters
        counters.attempts[attempt.error or str(attempt.status)] += 1
        counters.delivered += verdict.state == "delivered"
        counters.failed += verdict.state == "failed"
        counters.disabled += verdict.state == "disabled"
        if verdict.state in ("failed", "disabled"):
            ended: dict[str, Any] = {"webhook": message.id, "error": attempt.error}
            log.warning("webhook given up", extra=ended)

    async def _insist(self, work: Work[None], id: str) -> None:
        told = False
        while True:
            try:
                return await self._database.write(work)
            except (StreamerError, sqlite3.Error) as error:
                if not told:
                    name = type(error).__name__
                    log.warning("webhook not recorded yet", extra={"webhook": id, "error": name})
                told = True
                await asyncio.sleep(STORAGE_RETRY_S)
