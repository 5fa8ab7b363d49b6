"""Transactions: grouped, each for itself, on disk when acknowledged; locks and disks that fail."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamer import database as module
from streamer.database import Database, storage_error
from streamer.errors import NotFound, StorageFull, StorageUnavailable, StreamerError
from tests.small_disk import root, small_disk

SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, data BLOB)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "streamer.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path, [SCHEMA])) as database:
        yield database


def add(n: int, data: bytes = b"") -> module.Work[int]:
    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, data))
        return n

    return work


def numbers(connection: sqlite3.Connection) -> list[int]:
    return [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")]


def stored(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as other:
        return numbers(other)


class Gate:
    """Work that holds the writer until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self.entered.set()
        assert self.opened.wait(30)

    async def hold(self, database: Database) -> asyncio.Task[None]:
        task = asyncio.create_task(database.write(self))
        await asyncio.to_thread(self.entered.wait, 30)
        return task


@pytest.mark.asyncio
async def test_what_is_written_is_read_and_kept(path: Path) -> None:
    with closing(Database(path, [SCHEMA])) as database:
        assert await database.write(add(1, b"x")) == 1
        assert await database.read(numbers) == [1]
    with closing(Database(path, [SCHEMA])) as database:
        assert await database.read(numbers) == [1]


@pytest.mark.asyncio
async def test_the_file_and_its_log_are_the_owners_alone(path: Path, database: Database) -> None:
    await database.write(add(1))
    found = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert path.name in found
    assert set(found.values()) == {0o600}


def test_no_thread_runs_before_the_first_work(database: Database) -> None:
    assert not [t for t in threading.enumerate() if t.name.startswith("database")]


@pytest.mark.asyncio
async def test_many_writes_are_few_commits(path: Path, database: Database) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    await database.write(lambda connection: connection.set_trace_callback(count))
    gate = Gate()
    held = await gate.hold(database)
    writes = [asyncio.create_task(database.write(add(n))) for n in range(2 * module.GROUP)]
    await asyncio.sleep(0)
    commits = 0
    gate.opened.set()
    await asyncio.gather(held, *writes)
    assert commits == 3
    assert len(stored(path)) == 2 * module.GROUP


@pytest.mark.asyncio
async def test_writes_take_their_turn_in_the_order_of_the_calls(database: Database) -> None:
    order: list[int] = []
    await asyncio.gather(*(database.write(lambda _, n=n: order.append(n)) for n in range(250)))  # type: ignore[misc]
    assert order == list(range(250))


def fail(error: BaseException) -> module.Work[None]:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1000, NULL)")
        raise error

    return work


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (fail(NotFound("no")), NotFound),
        (fail(KeyError("no")), KeyError),
        (fail(MemoryError()), MemoryError),
        (fail(StopIteration()), RuntimeError),  # a future can't take it
        (fail(SystemExit(1)), RuntimeError),  # and this would end the lane
        (fail(asyncio.CancelledError()), RuntimeError),
        (add(1), sqlite3.IntegrityError),
        (lambda connection: connection.execute("SELECT * FROM nothing"), sqlite3.OperationalError),
        (lambda connection: connection.execute("SELECT ?", ()), sqlite3.ProgrammingError),
        (lambda connection: connection.execute("ROLLBACK"), StorageUnavailable),
    ],
)
async def test_what_one_piece_of_work_raises_is_its_own(
    database: Database, work: module.Work[Any], expected: type[Exception]
) -> None:
    await database.write(add(1))
    gate = Gate()
    held = await gate.hold(database)
    tasks = [asyncio.ensure_future(database.write(w)) for w in (add(2), work, add(3))]
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    first, failed, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert type(failed) is expected
    if expected is not StorageUnavailable:  # that one took the whole transaction with it
        assert (first, last) == (2, 3)
        assert await database.read(numbers) == [1, 2, 3]
    assert await database.write(add(4)) == 4


@pytest.mark.asyncio
async def test_a_lost_transaction_tells_all_that_were_in_it(path: Path, database: Database) -> None:
    def lose(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")

    gate = Gate()
    held = await gate.hold(database)
    tasks = [asyncio.ensure_future(database.write(w)) for w in (add(2), lose, add(3))]
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [StorageUnavailable] * 3
    assert stored(path) == []


@pytest.mark.asyncio
async def test_cancelled_before_its_turn_it_never_runs(path: Path, database: Database) -> None:
    gate = Gate()
    held = await gate.hold(database)
    doomed = asyncio.create_task(database.write(add(1)))
    after = asyncio.create_task(database.write(add(2)))
    await asyncio.sleep(0)
    doomed.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(held, after)
    assert doomed.cancelled()
    assert stored(path) == [2]


@pytest.mark.asyncio
async def test_cancelled_in_the_same_group_it_never_runs_either(
    path: Path, database: Database
) -> None:
    gate, second = Gate(), Gate()
    held = await gate.hold(database)
    tasks = [asyncio.ensure_future(database.write(w)) for w in (second, add(1), add(2))]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.to_thread(second.entered.wait, 30)
    tasks[1].cancel()
    await asyncio.sleep(0)
    second.opened.set()
    await asyncio.gather(held, tasks[0], tasks[2])
    assert stored(path) == [2]


@pytest.mark.asyncio
async def test_cancelled_while_it_runs_it_is_written_all_the_same(
    path: Path, database: Database
) -> None:
    gate = Gate()

    def slow(connection: sqlite3.Connection) -> None:
        add(1)(connection)
        gate(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(gate.entered.wait, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    await database.write(add(2))
    assert stored(path) == [1, 2]


@pytest.mark.asyncio
async def test_a_lock_that_somebody_lets_go_is_waited_for(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(database.write(add(1)))
        assert await database.read(numbers) == []  # readers are not held up
        assert not writing.done()
        other.execute("COMMIT")
        assert await writing == 1


@pytest.mark.asyncio
async def test_a_lock_that_stays_is_an_error_and_then_all_is_well(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    with (
        closing(Database(path, [SCHEMA])) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable) as refused:
            await database.write(add(1))
        assert refused.value.retryable
        assert refused.value.details == {"retry_after_s": 5}
        other.execute("ROLLBACK")
        assert await database.write(add(2)) == 2
        assert stored(path) == [2]
    logged = [record.__dict__["error"] for record in caplog.records]
    assert logged == ["SQLITE_BUSY: database is locked"]


@pytest.mark.asyncio
async def test_a_database_that_can_grow_no_more_is_full_and_then_is_not(
    path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 20") and 0)
    gate = Gate()
    held = await gate.hold(database)
    works = (add(1), add(2, bytes(200_000)), add(3))
    tasks = [asyncio.ensure_future(database.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.opened.set()
    await held
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StorageFull}  # sqlite drops the transaction
    assert await database.write(add(3)) == 3
    assert stored(path) == [3]
    assert caplog.records[0].__dict__["error"] == "SQLITE_FULL: database or disk is full"


@root
@pytest.mark.asyncio
async def test_a_full_disk_is_an_error_until_there_is_space_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "streamer.sqlite3"
        with closing(Database(path, [SCHEMA])) as database:
            await database.write(add(1))
            disk.fill()
            for _ in range(3):
                with pytest.raises(StorageFull):
                    await database.write(add(2, bytes(100_000)))
            assert await database.read(numbers) == [1]
            disk.empty()
            await database.write(add(3, bytes(100_000)))
            assert stored(path) == [1, 3]
        assert stored(path) == [1, 3]


@root
def test_on_a_full_disk_no_database_is_made(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        with pytest.raises(StorageFull):
            Database(disk.path / "streamer.sqlite3", [SCHEMA])
        disk.empty()
        Database(disk.path / "streamer.sqlite3", [SCHEMA]).close()


@root
def test_on_a_read_only_disk_the_database_is_not_opened(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "streamer.sqlite3"
        Database(path, [SCHEMA]).close()
        disk.remount("ro")
        with pytest.raises(StorageUnavailable):
            Database(path, [SCHEMA])
        disk.remount("rw")
        Database(path, [SCHEMA]).close()


@pytest.mark.asyncio
async def test_what_is_read_only_for_a_while_is_unavailable_for_so_long(database: Database) -> None:
    database._writer._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageUnavailable):
        await database.write(add(1))
    database._writer._connection.execute("PRAGMA query_only = OFF")
    assert await database.write(add(2)) == 2
    assert await database.read(numbers) == [2]


@pytest.mark.asyncio
async def test_another_process_that_looks_in_takes_nothing_away(path: Path) -> None:
    # Whoever closes a database as the last deletes its log: our locks say that we are there, also
    # those of another connection of this process, which was there before.
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*c.execute(sys.argv[2]))"
    looks = [sys.executable, "-c", script + "; c.close()", str(path), "SELECT n FROM t"]

    def seen() -> str:
        return subprocess.run(looks, check=True, capture_output=True, text=True, timeout=30).stdout

    with closing(sqlite3.connect(path)) as usage:
        usage.execute("PRAGMA journal_mode = WAL")
        usage.execute(SCHEMA)
        with closing(Database(path, [SCHEMA])) as database:
            await database.write(add(1))
            assert seen() == "(1,)\n"
            await database.write(add(2))
            assert seen() == "(1,) (2,)\n"
    assert stored(path) == [1, 2]


@pytest.mark.asyncio
async def test_a_reader_can_t_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable):
        await database.read(add(1))
    assert await database.read(numbers) == []


@pytest.mark.asyncio
async def test_a_result_that_was_half_read_keeps_nobody_in_the_past(database: Database) -> None:
    for n in range(10):
        await database.write(add(n))
    kept: list[BaseException] = []

    def stop_halfway(connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT n FROM t")
        rows.fetchone()
        raise KeyError("the traceback holds `rows`")

    try:
        await database.read(stop_halfway)
    except KeyError as error:
        kept.append(error)
    await database.write(add(10))
    assert await database.read(numbers) == list(range(11))


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StorageUnavailable):
        Database(path, [SCHEMA])
    assert path.read_bytes() == b"no database " * 1000


def test_a_directory_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        Database(tmp_path / "missing" / "streamer.sqlite3", [SCHEMA])


def test_a_schema_with_a_fault_leaves_nothing_open(path: Path) -> None:
    with pytest.raises(StorageUnavailable):
        Database(path, ["CREATE NONSENSE"])
    Database(path, [SCHEMA]).close()


def test_closing_finishes_what_waits(path: Path) -> None:
    database = Database(path, [SCHEMA])

    async def leave_early() -> None:
        gate = Gate()
        held = await gate.hold(database)
        writes = [asyncio.create_task(database.write(add(n))) for n in range(250)]
        await asyncio.sleep(0)
        threading.Timer(0.05, gate.opened.set).start()
        database.close()  # on the loop: nobody can be told yet
        assert len(stored(path)) == 250
        assert await asyncio.gather(*writes) == list(range(250))
        await held

    asyncio.run(leave_early())
    database.close()


@pytest.mark.asyncio
async def test_a_closed_database_is_unavailable(path: Path) -> None:
    database = Database(path, [SCHEMA])
    await database.write(add(1))
    database.close()
    database.close()
    for attempt in (database.write(add(2)), database.read(numbers)):
        with pytest.raises(StorageUnavailable):
            await attempt


def test_a_loop_that_ended_leaves_the_lane_to_the_next(path: Path) -> None:
    gate = Gate()
    with closing(Database(path, [SCHEMA])) as database:

        async def leave() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(await gate.hold(database), 0.01)

        asyncio.run(leave())
        gate.opened.set()

        async def come() -> int:
            return await database.write(add(1))

        assert asyncio.run(come()) == 1


@pytest.mark.parametrize("_round", range(3))
def test_what_was_acknowledged_survives_kill_9(path: Path, _round: int) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from streamer.database import Database

async def main():
    database = Database(Path(sys.argv[1]), [sys.argv[2]])
    async def write(n):
        await database.write(
            lambda connection: connection.execute("INSERT INTO t VALUES (?, NULL)", (n,)) and None
        )
        print(n, flush=True)
    for base in range(0, 100_000, 20):
        await asyncio.gather(*(write(base + i) for i in range(20)))

asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(path), SCHEMA]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    acknowledged = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.append(int(line))
            if len(acknowledged) == 103 + 11 * _round:
                process.send_signal(signal.SIGKILL)
                break
        acknowledged += [int(line) for line in process.stdout if line.endswith("\n")]
    Database(path, [SCHEMA]).close()
    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(stored(path))


def test_the_log_names_codes_and_no_values(caplog: pytest.LogCaptureFixture, path: Path) -> None:
    caplog.set_level(logging.DEBUG)

    async def conflict() -> None:
        with closing(Database(path, [SCHEMA])) as database:
            await database.write(add(1, b"secret"))
            with pytest.raises(sqlite3.IntegrityError):
                await database.write(add(1, b"secret"))

    asyncio.run(conflict())
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device", "/secret/path"), StorageFull),
        (OSError(122, "Disk quota exceeded"), StorageFull),
        (OSError(30, "Read-only file system"), StorageUnavailable),
        (OSError("no number"), StorageUnavailable),
        (sqlite3.OperationalError("no code"), StorageUnavailable),
        (MemoryError(), StorageUnavailable),
    ],
)
def test_what_fails_is_told_by_its_code(
    error: BaseException, expected: type[StreamerError]
) -> None:
    told = storage_error(error)
    assert type(told) is expected
    assert told.retryable
    assert "/secret/path" not in told.message + module.reason(error)
