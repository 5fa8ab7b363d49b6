"""What jobs have made: their results, the words of these, and what became of cues. Inside a transaction of
the caller's."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from streamer.jobs import stored
from streamer.resources import CueSummary, JobResult
from streamer.types import Caption, Word

SCHEMA = """
CREATE TABLE IF NOT EXISTS job_results (
    job TEXT NOT NULL, result INTEGER NOT NULL, seed INTEGER NOT NULL, file BLOB NOT NULL,
    sample_rate INTEGER NOT NULL, audio_ms REAL NOT NULL, words BLOB NOT NULL,
    PRIMARY KEY (job, result)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job_cues (
    job TEXT NOT NULL, result INTEGER NOT NULL, spoken INTEGER NOT NULL, late INTEGER NOT NULL,
    skipped INTEGER NOT NULL, worst_late_ms REAL NOT NULL,
    PRIMARY KEY (job, result)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS job_captions (
    job TEXT NOT NULL, result INTEGER NOT NULL, captions BLOB NOT NULL,
    PRIMARY KEY (job, result)
) WITHOUT ROWID;
"""


def insert(connection: sqlite3.Connection, job: str, results: Sequence[JobResult]) -> None:
    """Of a job that is completed."""
    connection.executemany(
        "INSERT INTO job_results VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(job, one.index, one.seed, stored.encode_file(one.file), one.sample_rate),
                *(one.audio_ms, stored.encode_words(one.words)),
            )
            for one in results
        ],
    )
    connection.executemany(
        "INSERT INTO job_cues VALUES (?, ?, ?, ?, ?, ?)",
        [
            (job, one.index, cues.spoken, cues.late, cues.skipped, cues.worst_late_ms)
            for one in results
            if (cues := one.cues) is not None
        ],
    )
    connection.executemany(
        "INSERT INTO job_captions VALUES (?, ?, ?)",
        [
            (job, one.index, stored.encode_captions(one.captions))
            for one in results
            if one.captions is not None
        ],
    )


def of(connection: sqlite3.Connection, job: str) -> tuple[JobResult, ...]:
    """All of a job's, without their words: those of an hour take long to read."""
    query = (
        "SELECT result, seed, file, sample_rate, audio_ms, spoken, late, skipped, worst_late_ms"
        " FROM job_results LEFT JOIN job_cues USING (job, result) WHERE job = ? ORDER BY result"
    )
    return tuple(_result(*row) for row in connection.execute(query, (job,)).fetchall())


def words(connection: sqlite3.Connection, job: str, result: int) -> tuple[Word, ...] | None:
    """The words of one result; None where there is no such."""
    query = "SELECT words FROM job_results WHERE job = ? AND result = ?"
    row = connection.execute(query, (job, result)).fetchone()
    return None if row is None else stored.decode_words(row[0])


def captions(connection: sqlite3.Connection, job: str, result: int) -> tuple[Caption, ...] | None:
    """The captions of one result; None where none were kept."""
    query = "SELECT captions FROM job_captions WHERE job = ? AND result = ?"
    row = connection.execute(query, (job, result)).fetchone()
    return None if row is None else stored.decode_captions(row[0])


def let_go(connection: sqlite3.Connection, job: str) -> list[str]:
    """Their words and captions are forgotten. Ids of their files."""
    connection.execute("DELETE FROM job_captions WHERE job = ?", (job,))
    connection.execute("UPDATE job_results SET words = x'5b5d' WHERE job = ?", (job,))
    query = "SELECT file FROM job_results WHERE job = ?"
    return [stored.decode_file(row[0]).id for row in connection.execute(query, (job,)).fetchall()]


def forget(connection: sqlite3.Connection, jobs: Sequence[tuple[str]]) -> None:
    connection.executemany("DELETE FROM job_results WHERE job = ?", jobs)
    connection.executemany("DELETE FROM job_cues WHERE job = ?", jobs)
    connection.executemany("DELETE FROM job_captions WHERE job = ?", jobs)


def _result(
    index: int, seed: int, file: bytes, rate: int, audio_ms: float, spoken: int | None, *cues: Any
) -> JobResult:
    told = None if spoken is None else CueSummary(spoken, *cues)
    return JobResult(index, seed, stored.decode_file(file), rate, audio_ms, cues=told)
