"""What a client gave a job and nobody needs once that has ended: its text, and its webhook's own secret.

Apart from the job's row, so that telling of a job reads none of it. Inside a transaction of the caller's.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from streamer.resources import JobRequest

SCHEMA = """
CREATE TABLE IF NOT EXISTS job_inputs (job TEXT PRIMARY KEY, text TEXT NOT NULL, secret TEXT);
"""


def insert(connection: sqlite3.Connection, job: str, request: JobRequest) -> None:
    secret = None if request.webhook is None else request.webhook.secret
    connection.execute("INSERT INTO job_inputs VALUES (?, ?, ?)", (job, request.text, secret))


def without(request: JobRequest) -> JobRequest:
    """The rest, which stays for as long as the job."""
    hook = request.webhook
    return replace(request, text="", webhook=None if hook is None else replace(hook, secret=None))


def restored(connection: sqlite3.Connection, job: str, request: JobRequest) -> JobRequest:
    """The whole request of a job that has not ended; as it is where its row holds all (formats 1 and 2)."""
    query = "SELECT text, secret FROM job_inputs WHERE job = ?"
    row = connection.execute(query, (job,)).fetchone()
    if row is None:
        return request
    text, secret = row
    hook = request.webhook
    return replace(
        request, text=text, webhook=None if hook is None else replace(hook, secret=secret)
    )


def forget(connection: sqlite3.Connection, job: str) -> None:
    """Of a job that ends."""
    connection.execute("DELETE FROM job_inputs WHERE job = ?", (job,))
