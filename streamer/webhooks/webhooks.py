"""Webhooks as the rest of the server knows them: whom to tell, what, and how it went."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from streamer.config import Settings
from streamer.database import Database
from streamer.errors import InvalidParameter
from streamer.resources import Delivery, DeliveryState, Endpoint, WebhookTarget
from streamer.webhooks import deliveries, endpoints, schedule
from streamer.webhooks.outbox import Counters, Outbox, Sender
from streamer.webhooks.policies import POLICIES, STANDARD, Policy
from streamer.webhooks.signature import check_secret

log = logging.getLogger(__name__)

BODY_BYTES = 20_000
"""A body is smaller than this (Standard Webhooks, "payload size")."""
URL_CHARACTERS = 2048
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Address:
    """Where one delivery goes. `endpoint` "": a job's own target; `secret` "": the key's own."""

    url: str
    secret: str
    policy: Policy
    endpoint: str = ""


class Webhooks:
    """Endpoints, secrets and deliveries of all keys; a key sees its own. Each call may raise
    `StorageUnavailable` or `StorageFull` and has then changed nothing."""

    SCHEMA = endpoints.SCHEMA + deliveries.SCHEMA

    def __init__(
        self,
        database: Database,
        fetcher: Sender,
        clock: Callable[[], float],
        *,
        settings: Settings,
        policies: Mapping[str, Policy] = POLICIES,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.counters = Counters()
        self._database = database
        self._fetcher = fetcher
        self._clock = clock
        self._policies = policies
        self._outbox = Outbox(
            database,
            fetcher,
            clock,
            policies=policies,
            timeout_s=settings.fetch_timeout_s,
            keep_s=settings.job_keep_s,
            wall=wall,
            jitter=jitter,
            counters=self.counters,
        )

    async def start(self) -> None:
        """Once, before `run`: what an earlier process left waits no longer than its schedule says."""
        await self._database.write(partial(schedule.resume, now=self._clock()))

    async def run(self) -> None:
        """Deliver until cancelled."""
        await self._outbox.run()

    def wake(self) -> None:
        """Call it once a transaction with `enqueue` is written."""
        self._outbox.wake()

    def check(self, target: WebhookTarget, *, param: str = "webhook") -> None:
        """Raises `UrlNotAllowed` or `InvalidParameter`, naming `param.url`, `.secret` or `.policy`.

        Nothing is resolved: a name that leads nowhere is found out when it is told.
        """
        self._check(target, f"{param}." if param else "")

    def _check(self, target: WebhookTarget, prefix: str) -> None:
        if len(target.url) > URL_CHARACTERS:
            raise InvalidParameter(
                f"a URL has at most {URL_CHARACTERS} characters", param=f"{prefix}url"
            )
        self._fetcher.check(target.url, param=f"{prefix}url")
        if target.secret is not None:
            check_secret(target.secret, param=f"{prefix}secret")
        if target.policy not in self._policies:
            raise InvalidParameter("no such policy", param=f"{prefix}policy")

    def enqueue(
        self,
        connection: sqlite3.Connection,
        *,
        key: str,
        job: str,
        event: str,
        data: Mapping[str, Any],
        target: WebhookTarget | None,
        instead: Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Tell `target` and each live endpoint of the key; how many. Part of the caller's transaction.

        `data` is rendered now. Where the body would be of 20 kB or more and the policy does not allow
        that, its data is `{"id": job, "truncated": true}`: what has ended is told all the same. The target
        is told `instead` where there is that, in a webhook each.
        """
        now = self._clock()
        told: list[tuple[_Address, Mapping[str, Any]]] = []
        if target is not None:
            own = _Address(target.url, target.secret or "", self._policy(target.policy))
            told += [(own, one) for one in ([data] if instead is None else instead)]
        for endpoint in endpoints.live(connection, key=key):
            policy = self._policy(endpoint.policy)
            told.append((_Address(endpoint.url, endpoint.secret, policy, endpoint.id), data))
        for address, one in told:
            if address.policy.signing == "standard" and not address.secret:
                endpoints.own_secret(connection, key=key)
            deliveries.insert(
                connection,
                key=key,
                job=job,
                event=event,
                url=address.url,
                endpoint=address.endpoint,
                secret=address.secret,
                policy=address.policy.name,
                body=_body(address.policy, job, event, one, now),
                now=now,
                wait_s=address.policy.delays_s[0],
            )
        return len(told)

    def _policy(self, name: str) -> Policy:
        return self._policies.get(name, STANDARD)

    async def secret(self, key: str) -> str:
        """The key's own, which signs where no other is given; made at first need."""
        return await self._database.write(partial(endpoints.own_secret, key=key))

    async def rotate(self, key: str) -> str:
        """A new one. Those before sign too, each for 24 hours since it was replaced, five at most."""
        return await self._database.write(partial(endpoints.rotate, key=key, now=self._clock()))

    async def endpoints(self, key: str) -> list[Endpoint]:
        """All of the key, oldest first; those that are told no more say why."""
        return await self._database.read(partial(endpoints.listed, key=key))

    async def add_endpoint(
        self, key: str, url: str, secret: str | None = None, policy: str = "standard"
    ) -> Endpoint:
        """Tell it of every job of the key from now on; without a secret the key's own signs.

        Raises `UrlNotAllowed` or `InvalidParameter`, naming `url`, `secret` or `policy`.
        """
        self._check(WebhookTarget(url, secret, policy), "")
        return await self._database.write(
            partial(
                endpoints.add,
                key=key,
                url=url,
                secret=secret or "",
                policy=policy,
                now=self._clock(),
            )
        )

    async def remove_endpoint(self, key: str, id: str) -> None:
        """What waits for it is not sent. Raises `NotFound`, for another key's too."""

        def remove(connection: sqlite3.Connection) -> None:
            endpoints.remove(connection, key=key, id=id)
            deliveries.abandon(
                connection, endpoint=id, reason="endpoint_removed", now=self._clock()
            )

        await self._database.write(remove)

    async def deliveries(
        self,
        key: str,
        *,
        state: DeliveryState | None = None,
        job: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Delivery]:
        """Newest first; the next page is of those after the last id. Raises `InvalidParameter`."""
        if not 1 <= limit <= _PAGE:
            raise InvalidParameter(f"limit must be 1 to {_PAGE}", param="limit")
        return await self._database.read(
            partial(deliveries.listed, key=key, state=state, job=job, limit=limit, after=after)
        )

    async def keeps(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys of which there is anything."""

        def look(connection: sqlite3.Connection) -> set[str]:
            kept = (endpoints.keeps, deliveries.keeps)
            return {key for key in keys if any(any_of(connection, key) for any_of in kept)}

        return await self._database.read(look)

    async def forget_key(self, key: str) -> None:
        """Drop endpoints, secrets and deliveries of a key. What waits is not sent."""

        def forget(connection: sqlite3.Connection) -> None:
            endpoints.forget_key(connection, key)
            deliveries.forget_key(connection, key)

        await self._database.write(forget)

    async def replay(self, key: str, id: str) -> Delivery:
        """Send it again at once, with the same id and body; its attempts start over.

        One that is pending is only brought forward. Raises `NotFound`, for another key's too.
        """
        delivery = await self._database.write(
            partial(deliveries.replay, key=key, id=id, now=self._clock())
        )
        self.wake()
        return delivery


def _body(policy: Policy, job: str, event: str, data: Mapping[str, Any], now: float) -> bytes:
    for content in (data, {"id": job, "truncated": True}):
        body = msgspec.json.encode(_event(event, content, now) if policy.envelope else content)
        if policy.any_size or len(body) < BODY_BYTES:
            return body
        log.warning("webhook without its data", extra={"job": job, "bytes": len(body)})
    return body


def _event(event: str, data: Mapping[str, Any], now: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {"type": event, "timestamp": at.replace("+00:00", "Z"), "data": data}
