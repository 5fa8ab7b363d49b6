"""The jobs' tables. All functions run inside a transaction of the caller's.

`claims` counts how often a job was taken up, and is what a finish is compared with: a run that was given
up can change nothing any more. `attempts` are the claims that its client sees: those given back (a drain,
a full disk) don't count. `failures` and `crashes` are attempts that failed, or ended with the process.
`cost` is what a job has cost; of an unfinished one, what it will at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamer.errors import StreamerError
from streamer.jobs import dialects, inputs, results, stored
from streamer.jobs.stored import FORMAT, Stored
from streamer.resources import NATIVE, PENDING, Job, JobStatus

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
    status TEXT NOT NULL, format INTEGER NOT NULL, request BLOB NOT NULL, characters INTEGER NOT NULL,
    voice TEXT NOT NULL, engine TEXT NOT NULL,
    created REAL NOT NULL, started REAL, finished REAL, expires REAL,
    claims INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0,
    cost REAL, error BLOB, idempotency TEXT, fingerprint BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS jobs_idempotent ON jobs (key, idempotency)
    WHERE idempotency IS NOT NULL;
CREATE INDEX IF NOT EXISTS jobs_in_order ON jobs (key, seq);
CREATE INDEX IF NOT EXISTS jobs_unfinished ON jobs (seq) WHERE status IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS jobs_finished ON jobs (finished) WHERE finished IS NOT NULL;
"""
SCHEMA += results.SCHEMA + dialects.SCHEMA + inputs.SCHEMA
_UNFINISHED = "status IN ('queued', 'running')"
_COLUMNS = (
    "id, key, status, request, characters, created, started, finished, expires, attempts, voice, engine,"
    " cost, error"
)


@dataclass(slots=True, eq=False)
class Entry:
    """An unfinished job as the queue knows it. `characters` are of all its results, `cost` is theirs at
    most.

    `spoken` of them have been so far; `running`: an attempt is under way; `urgent`: somebody waits, so
    it takes no turn; `held`: who spoke it is not here, which was logged; `ended`: as what, once that is
    written.
    """

    id: str
    key: str
    characters: int
    seq: int = 0
    claims: int = 0
    attempts: int = 0
    failures: int = 0
    crashes: int = 0
    cost: float = 0.0
    spoken: int = 0
    running: bool = False
    urgent: bool = False
    held: bool = False
    ended: str = ""


def insert(
    connection: sqlite3.Connection,
    job: Job,
    kept: Stored,
    characters: int,
    idempotency: str | None,
    fingerprint: bytes,
) -> int:
    """A new job; its place in the order. Raises `ContextConflict` where its alias is taken."""
    cursor = connection.execute(
        "INSERT INTO jobs (id, key, status, format, request, characters, voice, engine, created,"
        " cost, idempotency, fingerprint) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(job.id, job.key, stored.format_of(kept)),
            *(stored.encode(replace(kept, request=inputs.without(kept.request))), characters),
            *(job.voice, job.engine),
            *(job.created, job.reserved, idempotency, fingerprint),
        ),
    )
    inputs.insert(connection, job.id, kept.request)
    dialects.insert(connection, job)
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def known(connection: sqlite3.Connection, key: str, idempotency: str) -> tuple[str, bytes] | None:
    """Id and fingerprint of the job that was asked for with this idempotency key."""
    query = "SELECT id, fingerprint FROM jobs WHERE key = ? AND idempotency = ?"
    found = connection.execute(query, (key, idempotency)).fetchone()
    return found and (found[0], bytes(found[1]))


def unfinished(
    connection: sqlite3.Connection, price_per_1000: float
) -> tuple[list[Entry], list[int]]:
    """All jobs to be spoken, `running` as they stand, and the formats of those we can't read. The price is
    of those that an older program took in."""
    query = (
        "SELECT id, key, characters, seq, claims, attempts, failures, crashes,"
        " COALESCE(cost, characters * ? / 1000), status = 'running', format FROM jobs"
        f" WHERE {_UNFINISHED} ORDER BY seq"
    )
    entries, unknown = [], []
    for *figures, running, number in connection.execute(query, (price_per_1000,)).fetchall():
        if number > FORMAT:
            unknown.append(number)
        else:
            entry = Entry(*figures)
            entry.running = bool(running)
            entries.append(entry)
    return entries, unknown


def voices(connection: sqlite3.Connection) -> set[str]:
    """Of the unfinished."""
    query = f"SELECT DISTINCT voice FROM jobs WHERE {_UNFINISHED}"
    return {voice for (voice,) in connection.execute(query)}


def give_back(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    """These are queued, with these figures."""
    connection.executemany(
        "UPDATE jobs SET status = 'queued', attempts = ?, failures = ?, crashes = ?"
        f" WHERE id = ? AND {_UNFINISHED}",
        [(entry.attempts, entry.failures, entry.crashes, entry.id) for entry in entries],
    )


def claim(connection: sqlite3.Connection, entry: Entry, now: float) -> tuple[Job, Stored] | None:
    """The job, running from now on; None where it has ended meanwhile."""
    changed = connection.execute(
        "UPDATE jobs SET status = 'running', started = COALESCE(started, ?), claims = ?, attempts = ?,"
        f" failures = ?, crashes = ? WHERE id = ? AND claims < ? AND {_UNFINISHED}",
        (
            *(now, entry.claims, entry.attempts, entry.failures, entry.crashes),
            *(entry.id, entry.claims),
        ),
    ).rowcount
    if not changed:
        return None
    query = f"SELECT {_COLUMNS} FROM jobs WHERE id = ?"
    row = connection.execute(query, (entry.id,)).fetchone()
    job, kept = _job(row), stored.decode(row[3])
    request = inputs.restored(connection, entry.id, job.request)
    return replace(job, request=request), replace(kept, request=request)


def finish(connection: sqlite3.Connection, job: Job, claims: int) -> bool:
    """Make a running job what `job` is; False where it is no longer ours to finish."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, finished = ?, expires = ?, cost = ?, error = ?, voice = ?,"
        " engine = ?, characters = ? WHERE id = ? AND status = 'running' AND claims = ?",
        (
            *(job.status, job.finished, job.expires, job.cost),
            None if job.error is None else stored.encode_error(job.error),
            *(job.voice, job.engine, job.text_characters * job.request.results, job.id, claims),
        ),
    ).rowcount
    if changed:
        inputs.forget(connection, job.id)
        results.insert(connection, job.id, job.results)
    return bool(changed)


def cancel(connection: sqlite3.Connection, id: str, now: float) -> Job | None:
    """End an unfinished job. It as it is then, with what its webhook needs; None where it had ended."""
    query = f"UPDATE jobs SET status = 'cancelled', finished = ?, cost = NULL WHERE id = ? AND {_UNFINISHED}"
    if not connection.execute(query, (now, id)).rowcount:
        return None
    job = _job(connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (id,)).fetchone())
    whole = inputs.restored(connection, id, job.request)
    inputs.forget(connection, id)
    return replace(job, request=whole)


def let_go(connection: sqlite3.Connection, id: str, now: float) -> list[str]:
    """The results of a finished job expire now, and their words are forgotten. Ids of their files."""
    connection.execute("UPDATE jobs SET expires = MIN(expires, ?) WHERE id = ?", (now, id))
    return results.let_go(connection, id)


def find(
    connection: sqlite3.Connection, key: str, id: str, *, dialect: str = NATIVE
) -> tuple[Job | None, int]:
    """A job of this key that a dialect sees, and its format; without the job where that is not one of
    ours. A foreign dialect knows it by its alias, if it has one, else by its id."""
    if dialect != NATIVE:
        id = dialects.find(connection, key, dialect, id)
    query = f"SELECT format, {_COLUMNS} FROM jobs WHERE id = ? AND key = ?"
    row = connection.execute(query, (id, key)).fetchone()
    if row is None:
        return None, 0
    number, *rest = row
    if number > FORMAT:
        return None, number
    return replace(_job(rest), results=results.of(connection, id)), number


def page(
    connection: sqlite3.Connection,
    key: str,
    status: JobStatus | None,
    limit: int,
    after: str | None,
    dialect: str,
) -> list[Job] | None:
    """Jobs of a key that a dialect sees, newest first. None where it has no job
    `after`."""
    before = 1 << 62
    if after is not None:
        query = "SELECT seq FROM jobs WHERE id = ? AND key = ?"
        row = connection.execute(query, (after, key)).fetchone()
        if row is None:
            return None
        (before,) = row
    query = (
        f"SELECT {_COLUMNS} FROM jobs WHERE key = ?1 AND seq < ?2 AND format <= ?3"
        f" AND (?4 IS NULL OR status = ?4) AND (?6 = '{NATIVE}' OR id IN"
        " (SELECT job FROM job_dialects WHERE key = ?1 AND dialect = ?6)) ORDER BY seq DESC LIMIT ?5"
    )
    rows = connection.execute(query, (key, before, FORMAT, status, limit, dialect)).fetchall()
    return [replace(_job(row), results=results.of(connection, row[0])) for row in rows]


def forget(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Drop jobs that ended before then, and their idempotency keys. How many."""
    ids = connection.execute(
        "SELECT id FROM jobs WHERE finished IS NOT NULL AND finished <= ? LIMIT ?", (before, limit)
    ).fetchall()
    _drop(connection, ids)
    return len(ids)


def keeps(connection: sqlite3.Connection, key: str) -> bool:
    """Whether the key has any."""
    query = "SELECT 1 FROM jobs WHERE key = ? LIMIT 1"
    return connection.execute(query, (key,)).fetchone() is not None


def forget_key(connection: sqlite3.Connection, key: str, limit: int) -> list[str]:
    """Drop jobs of a key, also those that have not ended. Their ids."""
    query = "SELECT id FROM jobs WHERE key = ? LIMIT ?"
    ids = connection.execute(query, (key, limit)).fetchall()
    _drop(connection, ids)
    return [id for (id,) in ids]


def _drop(connection: sqlite3.Connection, ids: Sequence[tuple[str]]) -> None:
    results.forget(connection, ids)
    for (id,) in ids:
        inputs.forget(connection, id)
    connection.executemany("DELETE FROM job_dialects WHERE job = ?", ids)
    connection.executemany("DELETE FROM jobs WHERE id = ?", ids)


def _job(row: Sequence[Any]) -> Job:
    """A job of a format we know, without its results, text and secret."""
    id, key, status, request, characters, *times, attempts, voice, engine, cost, error = row
    created, started, finished, expires = times
    kept = stored.decode(request)
    told: StreamerError | None = None if error is None else stored.decode_error(error)
    return Job(
        *(id, key, status, kept.request),
        *(created, started, finished, expires, attempts),
        progress=float(status == "completed"),
        voice=voice,
        engine=engine,
        cost=None if status in PENDING else cost,
        reserved=cost if status in PENDING else None,
        error=told,
        base_url=kept.base_url,
        text_characters=characters // max(1, kept.request.results),
    )
