"""The files' table. All functions run inside a transaction of the caller's."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from streamer.errors import NotFound
from streamer.resources import StoredFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL, purpose TEXT NOT NULL,
    content_type TEXT NOT NULL, size INTEGER NOT NULL, created REAL NOT NULL, expires REAL NOT NULL,
    name TEXT NOT NULL, duration_ms REAL, blob TEXT NOT NULL, deleted REAL
);
CREATE INDEX IF NOT EXISTS files_of_key ON files (key, expires, size) WHERE deleted IS NULL;
CREATE INDEX IF NOT EXISTS files_in_order ON files (key, seq) WHERE deleted IS NULL;
CREATE INDEX IF NOT EXISTS files_to_sweep ON files (expires) WHERE blob <> '';
CREATE INDEX IF NOT EXISTS files_to_forget ON files (expires) WHERE blob = '';
CREATE TABLE IF NOT EXISTS file_secret (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL);
"""
"""`blob` is '' once the bytes are gone. `deleted` is when the owner or the sweep let go of them; from
then on `expires` is no later."""

ID = re.compile(r"file_[0-9a-f]{24}")
_COLUMNS = "id, key, purpose, content_type, size, created, expires, name, duration_ms"


class Row(NamedTuple):
    file: StoredFile
    blob: str
    deleted: bool


def new_id() -> str:
    """A file's id, which nobody guesses."""
    return "file_" + secrets.token_hex(12)


def find(connection: sqlite3.Connection, id: str) -> Row | None:
    if not ID.fullmatch(id):
        return None
    query = f"SELECT {_COLUMNS}, blob, deleted IS NOT NULL FROM files WHERE id = ?"
    found = connection.execute(query, (id,)).fetchone()
    return found and Row(StoredFile(*found[:-2]), found[-2], bool(found[-1]))


def owned(row: Row | None, key: str) -> Row:
    """Raises `NotFound`, for another key's too."""
    if row is None or row.file.key != key:
        raise NotFound("no such file", param="id")
    return row


def page(
    connection: sqlite3.Connection, key: str, now: float, limit: int, after: str | None
) -> list[StoredFile] | None:
    """Live files of a key, newest first. None where it never had a file `after`."""
    before = 1 << 62
    if after is not None:
        query = "SELECT seq FROM files WHERE id = ? AND key = ?"
        row = connection.execute(query, (after, key)).fetchone() if ID.fullmatch(after) else None
        if row is None:
            return None
        (before,) = row
    query = (
        f"SELECT {_COLUMNS} FROM files WHERE key = ? AND deleted IS NULL AND expires > ?"
        " AND seq < ? ORDER BY seq DESC LIMIT ?"
    )
    return [StoredFile(*row) for row in connection.execute(query, (key, now, before, limit))]


def live_bytes(connection: sqlite3.Connection, key: str, now: float) -> int:
    query = "SELECT SUM(size) FROM files WHERE key = ? AND deleted IS NULL AND expires > ?"
    (total,) = connection.execute(query, (key, now)).fetchone()
    return total or 0


def live_blobs(connection: sqlite3.Connection) -> set[str]:
    query = "SELECT blob FROM files WHERE blob <> '' AND deleted IS NULL"
    return {blob for (blob,) in connection.execute(query)}


def insert(connection: sqlite3.Connection, file: StoredFile, blob: str) -> None:
    values = (
        *(file.id, file.key, file.purpose, file.content_type, file.size),
        *(file.created, file.expires, file.name, file.duration_ms, blob),
    )
    query = f"INSERT INTO files ({_COLUMNS}, blob) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    connection.execute(query, values)


def remove(connection: sqlite3.Connection, id: str) -> None:
    connection.execute("DELETE FROM files WHERE id = ?", (id,))


def bury(connection: sqlite3.Connection, ids: Iterable[str], now: float) -> list[str]:
    """Mark as deleted those that are not. Their blobs, which may go when that is committed."""
    blobs: list[str] = []
    for id in ids:
        query = "SELECT blob FROM files WHERE id = ? AND deleted IS NULL"
        blobs += [blob for (blob,) in connection.execute(query, (id,)).fetchall()]
        connection.execute(
            "UPDATE files SET deleted = ?1, expires = MIN(expires, ?1)"
            " WHERE id = ?2 AND deleted IS NULL",
            (now, id),
        )
    return blobs


def keeps(connection: sqlite3.Connection, key: str) -> bool:
    """Whether the key has files that are not deleted."""
    query = "SELECT 1 FROM files WHERE key = ? AND deleted IS NULL LIMIT 1"
    return connection.execute(query, (key,)).fetchone() is not None


def bury_key(connection: sqlite3.Connection, key: str, now: float, limit: int) -> list[str]:
    """As `bury`, files of a key. What they were called is forgotten too."""
    query = "SELECT id FROM files WHERE key = ? AND deleted IS NULL LIMIT ?"
    ids = [id for (id,) in connection.execute(query, (key, limit)).fetchall()]
    connection.executemany("UPDATE files SET name = '' WHERE id = ?", [(id,) for id in ids])
    return bury(connection, ids, now)


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[tuple[int, str]]:
    """Rows of files that are gone and whose blobs are not yet."""
    query = "SELECT seq, blob FROM files WHERE blob <> '' AND expires <= ? LIMIT ?"
    return connection.execute(query, (now, limit)).fetchall()


def clear(connection: sqlite3.Connection, rows: Iterable[int], now: float) -> None:
    """The blobs of these, which were due, are no more."""
    connection.executemany(
        "UPDATE files SET blob = '', deleted = COALESCE(deleted, ?) WHERE seq = ?",
        [(now, seq) for seq in rows],
    )


def old(connection: sqlite3.Connection, before: float, limit: int) -> list[int]:
    """Rows without blobs of files that were gone by then."""
    query = "SELECT seq FROM files WHERE blob = '' AND expires <= ? LIMIT ?"
    return [seq for (seq,) in connection.execute(query, (before, limit))]


def forget(connection: sqlite3.Connection, rows: Iterable[int]) -> None:
    connection.executemany("DELETE FROM files WHERE seq = ?", [(seq,) for seq in rows])


def secret(connection: sqlite3.Connection) -> bytes:
    """The key of signed URLs, 32 bytes, made once."""
    query = "INSERT OR IGNORE INTO file_secret VALUES (1, ?)"
    connection.execute(query, (secrets.token_bytes(32),))
    (kept,) = connection.execute("SELECT secret FROM file_secret").fetchone()
    return bytes(kept)
