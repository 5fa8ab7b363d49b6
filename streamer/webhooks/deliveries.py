"""The rows of the outbox as their owner sees them: added, listed, sent again, dropped. Statements only,
run by whoever holds a connection."""

from __future__ import annotations

import secrets
import sqlite3
from urllib.parse import urlsplit

from streamer.errors import InvalidParameter, NotFound
from streamer.resources import Delivery, DeliveryState

SWEEP = 1000
"""Most rows dropped in one transaction."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook_deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
    job TEXT NOT NULL, event TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL,
    endpoint TEXT NOT NULL, secret TEXT NOT NULL, policy TEXT NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL, created REAL NOT NULL,
    next_at REAL, wait_s REAL NOT NULL, finished REAL, last_status INTEGER,
    last_error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due
    ON webhook_deliveries (next_at, host, key, state) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS webhook_deliveries_finished
    ON webhook_deliveries (finished) WHERE finished IS NOT NULL;
CREATE INDEX IF NOT EXISTS webhook_deliveries_endpoint
    ON webhook_deliveries (endpoint) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS webhook_deliveries_key ON webhook_deliveries (key);
CREATE INDEX IF NOT EXISTS webhook_deliveries_state ON webhook_deliveries (key, state);
CREATE INDEX IF NOT EXISTS webhook_deliveries_job ON webhook_deliveries (job);
"""

_DELIVERY = (
    "SELECT id, key, job, event, url, state, attempts, created, next_at, last_status, last_error"
    " FROM webhook_deliveries"
)


def insert(
    connection: sqlite3.Connection,
    *,
    key: str,
    job: str,
    event: str,
    url: str,
    endpoint: str,
    secret: str,
    policy: str,
    body: bytes,
    now: float,
    wait_s: float,
) -> None:
    """One more to send, `wait_s` from now. `endpoint` "": a job's own target; `secret` "": the key's own."""
    id = f"msg_{secrets.token_hex(12)}"
    where = (url, _host(url), endpoint, secret, policy)
    connection.execute(
        "INSERT INTO webhook_deliveries (id, key, job, event, url, host, endpoint, secret, policy,"
        " body, state, attempts, created, next_at, wait_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', 0, ?, ?, ?)",
        (id, key, job, event, *where, body, now, now + wait_s, wait_s),
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:  # no attempt will get anywhere, and that is recorded
        return ""


def abandon(connection: sqlite3.Connection, *, endpoint: str, reason: str, now: float) -> None:
    """What waits for an endpoint is not sent."""
    connection.execute(
        "UPDATE webhook_deliveries SET state = 'disabled', next_at = NULL, finished = ?,"
        " last_error = ? WHERE endpoint = ? AND state = 'pending'",
        (now, reason, endpoint),
    )


def keeps(connection: sqlite3.Connection, key: str) -> bool:
    """Whether there are any of the key."""
    query = "SELECT 1 FROM webhook_deliveries WHERE key = ? LIMIT 1"
    return connection.execute(query, (key,)).fetchone() is not None


def forget_key(connection: sqlite3.Connection, key: str) -> None:
    """Drop all of a key: those that wait are not sent."""
    connection.execute("DELETE FROM webhook_deliveries WHERE key = ?", (key,))


def listed(
    connection: sqlite3.Connection,
    *,
    key: str,
    state: DeliveryState | None,
    job: str | None,
    limit: int,
    after: str | None,
) -> list[Delivery]:
    """Newest first, those older than the one of id `after`. Raises `InvalidParameter` if it is unknown."""
    where: list[str] = ["key = ?"]
    values: list[str | int] = [key]
    for column, value in (("state", state), ("job", job)):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if after is not None:
        row = _row(connection, key, after)
        if row is None:
            raise InvalidParameter("no such delivery", param="after")
        where.append("seq < ?")
        values.append(row[0])
    rows = connection.execute(
        f"{_DELIVERY} WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?", (*values, limit)
    )
    return [Delivery(*row) for row in rows]


def replay(connection: sqlite3.Connection, *, key: str, id: str, now: float) -> Delivery:
    """Due at once, with all attempts before it; one that is pending is only brought forward.

    Raises `NotFound`, for another key's too.
    """
    if _row(connection, key, id) is None:
        raise NotFound("no such delivery")
    connection.execute(
        "UPDATE webhook_deliveries SET attempts = 0, last_status = NULL, last_error = ''"
        " WHERE id = ? AND state != 'pending'",
        (id,),
    )
    connection.execute(
        "UPDATE webhook_deliveries SET state = 'pending', next_at = ?, wait_s = 0, finished = NULL"
        " WHERE id = ?",
        (now, id),
    )
    return Delivery(*connection.execute(f"{_DELIVERY} WHERE id = ?", (id,)).fetchone())


def _row(connection: sqlite3.Connection, key: str, id: str) -> tuple[int] | None:
    found: tuple[int] | None = connection.execute(
        "SELECT seq FROM webhook_deliveries WHERE id = ? AND key = ?", (id, key)
    ).fetchone()
    return found


def stale(connection: sqlite3.Connection, *, before: float) -> bool:
    """Whether `sweep` would drop anything."""
    row = connection.execute(
        "SELECT 1 FROM webhook_deliveries WHERE finished IS NOT NULL AND finished < ? LIMIT 1",
        (before,),
    ).fetchone()
    return row is not None


def sweep(connection: sqlite3.Connection, *, before: float) -> int:
    """Drop some of what has ended before that time; how many."""
    return connection.execute(
        "DELETE FROM webhook_deliveries WHERE seq IN (SELECT seq FROM webhook_deliveries"
        " WHERE finished IS NOT NULL AND finished < ? LIMIT ?)",
        (before, SWEEP),
    ).rowcount
