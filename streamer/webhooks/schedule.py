"""The rows of the outbox as they are sent: what is due, what it says, how it went. Statements only, run by
whoever holds a connection."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from streamer.webhooks import deliveries, endpoints
from streamer.webhooks.policies import Attempt, Verdict

PER_HOST = 4
"""Attempts at once to one host and port: a slow receiver holds no more."""
PER_KEY = 8
"""Attempts at once of one key: one with slow receivers of many names holds no more."""


@dataclass(frozen=True, slots=True)
class Due:
    """A row whose time has come."""

    seq: int
    host: str
    key: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due and may begin, when the next is due (None: nothing else waits), how many wait in all."""

    due: tuple[Due, ...]
    next_at: float | None
    pending: int


@dataclass(frozen=True, slots=True)
class Message:
    """What an attempt needs. `secrets`: all that sign, the newest first."""

    secrets: tuple[str, ...]
    seq: int
    id: str
    url: str
    body: bytes
    policy: str
    endpoint: str
    attempts: int


def resume(connection: sqlite3.Connection, *, now: float) -> None:
    """After a restart: nothing waits longer than was decided, however the clock has been set since."""
    connection.execute(
        "UPDATE webhook_deliveries SET next_at = ?1 + wait_s"
        " WHERE state = 'pending' AND next_at > ?1 + wait_s",
        (now,),
    )


def waiting(
    connection: sqlite3.Connection, *, now: float, busy: Sequence[Due], most: int
) -> Waiting:
    """What may begin while `busy` is under way, `most` at once; the longest due first."""
    under_way = {due.seq for due in busy}
    hosts = Counter(due.host for due in busy)
    keys = Counter(due.key for due in busy if due.key)
    found: list[Due] = []
    while (free := most - len(under_way)) > 0:
        rows = _due(connection, now, under_way, _full(hosts, PER_HOST), _full(keys, PER_KEY), free)
        for due in rows:
            if hosts[due.host] < PER_HOST and keys[due.key] < PER_KEY:
                found.append(due)
                under_way.add(due.seq)
                hosts[due.host] += 1
                keys[due.key] += bool(due.key)  # a server without keys has one client
        if len(rows) < free:
            break
    pending = "FROM webhook_deliveries WHERE state = 'pending'"
    (next_at,) = connection.execute(
        f"SELECT MIN(next_at) {pending} AND next_at > ?", (now,)
    ).fetchone()
    (count,) = connection.execute(f"SELECT COUNT(*) {pending}").fetchone()
    return Waiting(tuple(found), next_at, count)


def _full(counts: Counter[str], most: int) -> list[str]:
    return [name for name, count in counts.items() if count >= most]


def _due(
    connection: sqlite3.Connection,
    now: float,
    under_way: set[int],
    hosts: list[str],
    keys: list[str],
    limit: int,
) -> list[Due]:
    """The first `limit` that are due, none of these rows, hosts and keys. Never more than a few are named,
    and the index alone answers: a backlog of 100,000 rows to a host that is full is passed in some 10 ms."""
    rows = connection.execute(
        "SELECT seq, host, key FROM webhook_deliveries WHERE state = 'pending' AND next_at <= ?"
        f" AND seq NOT IN ({_marks(under_way)}) AND host NOT IN ({_marks(hosts)})"
        f" AND key NOT IN ({_marks(keys)}) ORDER BY next_at LIMIT ?",
        (now, *under_way, *hosts, *keys, limit),
    )
    return [Due(*row) for row in rows]


def _marks(values: set[int] | list[str]) -> str:
    return ", ".join("?" * len(values))


def message(connection: sqlite3.Connection, *, seq: int, now: float) -> Message | None:
    """What is to be sent; None if it no longer is."""
    row = connection.execute(
        "SELECT seq, id, url, body, policy, endpoint, attempts, secret, key"
        " FROM webhook_deliveries WHERE seq = ? AND state = 'pending'",
        (seq,),
    ).fetchone()
    if row is None:
        return None
    *fields, secret, key = row
    own = (secret,) if secret else endpoints.own_secrets(connection, key=key, now=now)
    return Message(own, *fields)


def record(
    connection: sqlite3.Connection,
    *,
    message: Message,
    attempt: Attempt,
    verdict: Verdict,
    now: float,
) -> None:
    """How an attempt ended, unless the row has changed since. An endpoint that is gone is told no more."""
    waits = verdict.wait_s is not None
    changed = connection.execute(
        "UPDATE webhook_deliveries SET state = ?, attempts = attempts + 1, next_at = ?, wait_s = ?,"
        " finished = ?, last_status = ?, last_error = ?"
        " WHERE seq = ? AND state = 'pending' AND attempts = ?",
        (
            verdict.state,
            now + verdict.wait_s if verdict.wait_s is not None else None,
            verdict.wait_s or 0,
            None if waits else now,
            attempt.status,
            attempt.error,
            message.seq,
            message.attempts,
        ),
    ).rowcount
    if changed and verdict.state == "disabled" and message.endpoint:
        endpoints.disable(connection, id=message.endpoint, reason="gone")
        deliveries.abandon(
            connection, endpoint=message.endpoint, reason="endpoint_disabled", now=now
        )
