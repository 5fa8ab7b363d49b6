"""Whom a key has told, and with what secret: its endpoints and its own secret. Statements only, run by
whoever holds a connection."""

from __future__ import annotations

import secrets
import sqlite3

from streamer.errors import InvalidParameter, NotFound
from streamer.resources import Endpoint
from streamer.webhooks.policies import DAY_S
from streamer.webhooks.signature import new_secret

MOST = 20
"""Endpoints of one key."""
ROTATION_S = DAY_S
"""How long a former secret signs too, from when it was replaced."""
FORMER = 5
"""Former secrets of one key that sign: each makes every webhook's header longer."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook_endpoints (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
    url TEXT NOT NULL, secret TEXT NOT NULL, created REAL NOT NULL, policy TEXT NOT NULL,
    disabled TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS webhook_endpoints_key ON webhook_endpoints (key);
CREATE TABLE IF NOT EXISTS webhook_secrets (
    key TEXT PRIMARY KEY, secret TEXT NOT NULL, former TEXT, former_until REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhook_former_secrets (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, secret TEXT NOT NULL,
    until REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS webhook_former_secrets_key ON webhook_former_secrets (key);
"""
# `former` and `former_until` of webhook_secrets are read and moved, no longer written: data directories
# from before the table of former secrets have one there.

_ENDPOINT = "SELECT id, key, url, secret, created, policy, disabled FROM webhook_endpoints"


def add(
    connection: sqlite3.Connection, *, key: str, url: str, secret: str, policy: str, now: float
) -> Endpoint:
    """Raises `InvalidParameter` when the key has as many as it may."""
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM webhook_endpoints WHERE key = ?", (key,)
    ).fetchone()
    if count >= MOST:
        raise InvalidParameter(f"at most {MOST} endpoints", param="url", limit=MOST)
    endpoint = Endpoint(f"ep_{secrets.token_hex(12)}", key, url, secret, now, policy)
    connection.execute(
        "INSERT INTO webhook_endpoints (id, key, url, secret, created, policy)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (endpoint.id, key, url, secret, now, policy),
    )
    return endpoint


def listed(connection: sqlite3.Connection, *, key: str) -> list[Endpoint]:
    """All of a key, the disabled ones too, oldest first."""
    rows = connection.execute(f"{_ENDPOINT} WHERE key = ? ORDER BY seq", (key,))
    return [Endpoint(*row) for row in rows]


def live(connection: sqlite3.Connection, *, key: str) -> list[Endpoint]:
    """Those that are told."""
    return [endpoint for endpoint in listed(connection, key=key) if not endpoint.disabled]


def remove(connection: sqlite3.Connection, *, key: str, id: str) -> None:
    """Raises `NotFound`, for another key's too."""
    removed = connection.execute(
        "DELETE FROM webhook_endpoints WHERE id = ? AND key = ?", (id, key)
    ).rowcount
    if not removed:
        raise NotFound("no such endpoint")


def keeps(connection: sqlite3.Connection, key: str) -> bool:
    """Whether the key has endpoints or secrets."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE key = ?1)"
        " OR EXISTS (SELECT 1 FROM webhook_secrets WHERE key = ?1)"
    )
    return bool(connection.execute(query, (key,)).fetchone()[0])


def forget_key(connection: sqlite3.Connection, key: str) -> None:
    """Drop endpoints and secrets of a key."""
    for table in ("webhook_endpoints", "webhook_secrets", "webhook_former_secrets"):
        connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))


def disable(connection: sqlite3.Connection, *, id: str, reason: str) -> None:
    """Not told any more; the first reason stays."""
    connection.execute(
        "UPDATE webhook_endpoints SET disabled = ? WHERE id = ? AND disabled = ''", (reason, id)
    )


def own_secret(connection: sqlite3.Connection, *, key: str) -> str:
    """The key's own, made at first need."""
    connection.execute(
        "INSERT OR IGNORE INTO webhook_secrets (key, secret) VALUES (?, ?)", (key, new_secret())
    )
    row = connection.execute("SELECT secret FROM webhook_secrets WHERE key = ?", (key,))
    secret: str = row.fetchone()[0]
    return secret


def rotate(connection: sqlite3.Connection, *, key: str, now: float) -> str:
    """A new one. Those before sign too, each for a day since it was replaced, the last `FORMER` at most."""
    before = own_secret(connection, key=key)
    connection.execute(
        "INSERT INTO webhook_former_secrets (key, secret, until)"
        " SELECT key, former, former_until FROM webhook_secrets"
        " WHERE key = ? AND former IS NOT NULL",
        (key,),
    )
    connection.execute(
        "INSERT INTO webhook_former_secrets (key, secret, until) VALUES (?, ?, ?)",
        (key, before, now + ROTATION_S),
    )
    connection.execute(
        "DELETE FROM webhook_former_secrets WHERE key = ?1 AND (until <= ?2 OR seq NOT IN"
        " (SELECT seq FROM webhook_former_secrets WHERE key = ?1 ORDER BY seq DESC LIMIT ?3))",
        (key, now, FORMER),
    )
    secret = new_secret()
    connection.execute(
        "UPDATE webhook_secrets SET secret = ?, former = NULL, former_until = NULL WHERE key = ?",
        (secret, key),
    )
    return secret


def own_secrets(connection: sqlite3.Connection, *, key: str, now: float) -> tuple[str, ...]:
    """All that sign now, the newest first; () if none was ever needed."""
    row = connection.execute(
        "SELECT secret, CASE WHEN former_until > ? THEN former END FROM webhook_secrets"
        " WHERE key = ?",
        (now, key),
    ).fetchone()
    if row is None:
        return ()
    formers = connection.execute(
        "SELECT secret FROM webhook_former_secrets WHERE key = ? AND until > ? ORDER BY seq DESC",
        (key, now),
    ).fetchall()
    return tuple(secret for secret in (*row, *(former for (former,) in formers)) if secret)
