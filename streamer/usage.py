"""What each key used on each day: added up in memory, written to SQLite off the hot path.

A crash loses at most the last second; a full or read-only disk loses nothing until it does.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from streamer.database import reason, storage_error
from streamer.errors import StorageFull, StorageUnavailable

log = logging.getLogger(__name__)

FLUSH_S = 1.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT NOT NULL, key TEXT NOT NULL,
    characters INTEGER NOT NULL, audio_seconds REAL NOT NULL,
    contexts INTEGER NOT NULL, errors INTEGER NOT NULL, cost REAL NOT NULL,
    PRIMARY KEY (day, key)
) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (day, key) DO UPDATE SET
    characters = characters + excluded.characters,
    audio_seconds = audio_seconds + excluded.audio_seconds,
    contexts = contexts + excluded.contexts,
    errors = errors + excluded.errors,
    cost = cost + excluded.cost
"""


@dataclass(slots=True)
class Used:
    """What was used. `cost` in the unit of the setting `price_per_1000`."""

    characters: int = 0
    audio_seconds: float = 0.0
    contexts: int = 0
    errors: int = 0
    cost: float = 0.0

    def add(self, other: Used) -> None:
        self.characters += other.characters
        self.audio_seconds += other.audio_seconds
        self.contexts += other.contexts
        self.errors += other.errors
        self.cost += other.cost


@dataclass(frozen=True, slots=True)
class Row:
    """One key's use on one day (UTC)."""

    day: str
    key: str
    used: Used


def _row(day: str, key: str, u: Used) -> tuple[str, str, int, float, int, int, float]:
    return day, key, u.characters, u.audio_seconds, u.contexts, u.errors, u.cost


def _today() -> date:
    return datetime.now(UTC).date()


class Usage:
    """The book. `add` and `spent` are plain and fast; the others touch the disk and block. Raises
    `StorageUnavailable` or `StorageFull` where it can't be opened."""

    def __init__(self, path: Path, today: Callable[[], date] = _today) -> None:
        self._today = today
        self._writing = threading.Lock()  # held while the disk works
        self._adding = threading.Lock()  # held for moments only: the loop takes it
        self._pending: dict[tuple[str, str], Used] = {}
        self._spent: dict[str, float] = {}
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._open(path)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            log.error("usage not opened", extra={"error": reason(error)})
            raise storage_error(error) from None

    def add(self, key: str, used: Used) -> None:
        """Count this for a key, today."""
        slot = (self._today().isoformat(), key)
        with self._adding:
            self._pending.setdefault(slot, Used()).add(used)
        self.booked(key, used)

    def book(self, connection: sqlite3.Connection, key: str, used: Used) -> None:
        """Count this for a key, today, within a transaction of somebody else's; from any thread. Once it
        is committed, `booked` is to be told."""
        connection.execute(_ADD, _row(self._today().isoformat(), key, used))

    def booked(self, key: str, used: Used) -> None:
        """What `book` wrote has been committed."""
        self._spent[key] = self._spent.get(key, 0.0) + used.cost

    def spent(self, key: str) -> float:
        """All that a key has ever cost."""
        return self._spent.get(key, 0.0)

    def flush(self) -> None:
        """Write what has come since. Raises `StorageUnavailable` or `StorageFull`, and then forgets
        nothing."""
        with self._writing:
            with self._adding:
                batch, self._pending = self._pending, {}
            if not batch:
                return
            try:
                self._write(batch)
            except sqlite3.Error as error:
                with self._adding:
                    for slot, used in batch.items():
                        self._pending.setdefault(slot, Used()).add(used)
                log.error("usage not written", extra={"error": reason(error)})
                raise storage_error(error) from None

    def save(self) -> None:
        """As `flush`; what fails is only logged."""
        with suppress(StorageFull, StorageUnavailable):
            self.flush()

    def rows(self, key: str | None = None) -> list[Row]:
        """By day and key, oldest first; of one key, or of all. Writes first, and raises as `flush`."""
        self.flush()
        query = (
            "SELECT day, key, characters, audio_seconds, contexts, errors, cost FROM usage"
            " WHERE ?1 IS NULL OR key = ?1 ORDER BY day, key"
        )
        try:
            with self._writing, closing(self._db.execute(query, (key,))) as rows:
                return [Row(day, name, Used(*figures)) for day, name, *figures in rows]
        except sqlite3.Error as error:
            log.error("usage not read", extra={"error": reason(error)})
            raise storage_error(error) from None

    async def run(self) -> None:
        """Flush every second, in a thread, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await asyncio.to_thread(self.save)

    def close(self) -> None:
        """Write, and close the file."""
        self.save()
        with self._writing:
            self._db.close()

    def _open(self, path: Path) -> None:
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(SCHEMA)
        with closing(self._db.execute("SELECT key, SUM(cost) FROM usage GROUP BY key")) as rows:
            self._spent.update(rows)

    def _write(self, batch: dict[tuple[str, str], Used]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(_ADD, [_row(*slot, used) for slot, used in batch.items()])
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
