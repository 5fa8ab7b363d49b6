"""The book of use: by key and day, across restarts and failing disks."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from streamer.errors import StorageFull, StorageUnavailable
from streamer.usage import Row, Usage, Used
from tests.small_disk import root, small_disk


class Calendar:
    day = date(2026, 11, 21)

    def __call__(self) -> date:
        return self.day


def test_use_is_added_up_by_key_and_day(tmp_path: Path) -> None:
    calendar = Calendar()
    with closing(Usage(tmp_path / "usage", calendar)) as usage:
        usage.add("a", Used(characters=3, contexts=1, cost=0.5))
        usage.add("a", Used(characters=4, audio_seconds=1.5, errors=1, cost=0.25))
        usage.flush()
        calendar.day = date(2026, 11, 22)
        usage.add("a", Used(characters=1))
        usage.add("b", Used(contexts=1))
        assert usage.rows("a") == [
            Row("2026-11-21", "a", Used(7, 1.5, 1, 1, 0.75)),
            Row("2026-11-22", "a", Used(1)),
        ]
        assert [row.key for row in usage.rows()] == ["a", "a", "b"]
        assert usage.spent("a") == 0.75


def test_use_survives_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Usage(tmp_path / "usage", Calendar())) as usage:
            usage.add("a", Used(characters=2, cost=1.0))
    with closing(Usage(tmp_path / "usage", Calendar())) as usage:
        assert usage.spent("a") == 2.0
        assert usage.rows("a")[0].used.characters == 4


def test_a_disk_that_fails_for_a_while_loses_nothing(tmp_path: Path) -> None:
    with closing(Usage(tmp_path / "usage", Calendar())) as usage:
        usage._db.execute("PRAGMA busy_timeout = 10")
        usage.add("a", Used(characters=2))
        with closing(sqlite3.connect(tmp_path / "usage", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageUnavailable):
                usage.flush()
            with pytest.raises(StorageUnavailable):
                usage.rows("a")
            usage.save()
            usage.add("a", Used(characters=3))
            other.execute("ROLLBACK")
        assert usage.rows("a")[0].used.characters == 5


@root
def test_a_disk_that_is_full_at_the_start_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        with pytest.raises(StorageFull):
            Usage(disk.path / "usage", Calendar())
        disk.empty()
        Usage(disk.path / "usage", Calendar()).close()


def test_adding_while_another_thread_writes_loses_nothing(tmp_path: Path) -> None:
    with closing(Usage(tmp_path / "usage", Calendar())) as usage:
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                usage.flush()

        writer = threading.Thread(target=write)
        writer.start()
        for i in range(3000):
            usage.add(f"k{i % 7}", Used(characters=1))
        done.set()
        writer.join()
        assert sum(row.used.characters for row in usage.rows()) == 3000


def test_what_another_transaction_books_counts_once_it_is_committed(tmp_path: Path) -> None:
    with closing(Usage(tmp_path / "usage", Calendar())) as usage:
        with closing(sqlite3.connect(tmp_path / "usage", isolation_level=None)) as other:
            for commit in ("ROLLBACK", "COMMIT"):
                other.execute("BEGIN IMMEDIATE")
                usage.book(other, "a", Used(characters=2, contexts=1, cost=1.5))
                other.execute(commit)
            assert usage.spent("a") == 0
            usage.booked("a", Used(characters=2, contexts=1, cost=1.5))
        assert usage.spent("a") == 1.5
        assert usage.rows("a")[0].used == Used(characters=2, contexts=1, cost=1.5)
