"""Which jobs came by a foreign dialect, and what it calls them. Inside a transaction of the caller's."""

from __future__ import annotations

import sqlite3

from streamer.errors import ContextConflict
from streamer.resources import NATIVE, Job

SCHEMA = """
CREATE TABLE IF NOT EXISTS job_dialects (
    job TEXT PRIMARY KEY, key TEXT NOT NULL, dialect TEXT NOT NULL, alias TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS job_aliases ON job_dialects (key, dialect, alias);
"""


def insert(connection: sqlite3.Connection, job: Job) -> None:
    """Of a new job. Raises `ContextConflict` where its alias is taken."""
    request = job.request
    if request.dialect == NATIVE:
        return
    name = request.alias or job.id
    if find(connection, job.key, request.dialect, name):
        raise taken(name)
    connection.execute(
        "INSERT INTO job_dialects VALUES (?, ?, ?, ?)", (job.id, job.key, request.dialect, name)
    )


def find(connection: sqlite3.Connection, key: str, dialect: str, alias: str) -> str:
    """The id of the job that the dialect calls so, "" where there is none."""
    query = "SELECT job FROM job_dialects WHERE key = ? AND dialect = ? AND alias = ?"
    row = connection.execute(query, (key, dialect, alias)).fetchone()
    return "" if row is None else str(row[0])


def taken(alias: str) -> ContextConflict:
    return ContextConflict(f"there is a task {alias[:64]!r} already", param="alias")
