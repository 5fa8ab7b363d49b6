"""One SQLite file for all that must survive: transactions run off the loop, are grouped, and are on disk
when `await` returns.

Writers share one connection and one thread: what waits is run in one transaction, each piece of work in
a savepoint of its own, and is synced to disk once (`synchronous = FULL`). Readers have another, so that
a lock that somebody holds, or a full disk, does not keep anyone from reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from streamer.errors import StorageFull, StorageUnavailable, StreamerError

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Statements of one transaction. Runs on another thread: it touches the connection and nothing else."""

BUSY_S = 15.0
"""How long a lock of another process is waited for."""
GROUP = 100
"""Most pieces of work in one transaction."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_error(error: sqlite3.Error | OSError) -> StreamerError:
    """What a client is told of a database or a disk that fails; what failed is for the log alone."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or getattr(error, "errno", None) in _FULL:
        return StorageFull("the disk is full", retry_after_s=5)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageUnavailable("the database is locked", retry_after_s=5)
    return StorageUnavailable("the database can't be used", retry_after_s=5)


class Database:
    """The file at `path`, made (0600) with these tables where it is missing. Raises `StorageUnavailable`
    or `StorageFull`. Threads begin with the first `write` or `read`."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            with contextlib.closing(_connect(path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                for statements in schema:
                    connection.executescript(statements)
            self._writer = _Lane(path, "database-writer", begin="BEGIN IMMEDIATE")
            self._reader = _Lane(path, "database-reader", begin="BEGIN")
        except (sqlite3.Error, OSError) as error:
            log.error("database not opened", extra={"error": _reason(error)})
            raise storage_error(error) from None

    async def write(self, work: Work[T]) -> T:
        """What `work` returns or raises, once what it wrote is on disk.

        Raises `StorageFull` or `StorageUnavailable` and has then written nothing. Cancelled before its
        turn, it never runs; cancelled later, it is written all the same.
        """
        return await self._writer.run(work)

    async def read(self, work: Work[T]) -> T:
        """As `write`, for work that only reads. It sees all that was written before the call."""
        return await self._reader.run(work)

    def close(self) -> None:
        """Finish what waits and close the file. Blocks; may be called twice."""
        self._writer.close()
        self._reader.close()


@dataclass(eq=False, slots=True)
class _Call(Generic[T]):
    work: Work[T]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    result: Any = None
    error: Exception | None = None


class _Lane:
    """One connection on one thread, and what waits for it."""

    def __init__(self, path: Path, name: str, *, begin: str) -> None:
        self._connection = _connect(path)
        self._name = name
        self._begin = begin
        self._change = threading.Condition()
        self._waiting: list[_Call[Any]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        call: _Call[T] = _Call(work, loop, loop.create_future())
        with self._change:
            if self._closed:
                raise StorageUnavailable("the database is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
            self._waiting.append(call)
            self._change.notify()
        return await call.answer

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while group := self._next():
            self._transact([call for call in group if not call.answer.cancelled()])
            for call in group:
                self._deliver(call)
            del group

    def _next(self) -> list[_Call[Any]]:
        """What waits; [] once closed and nothing does."""
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            return group

    def _transact(self, group: Sequence[_Call[Any]]) -> None:
        connection = self._connection
        try:
            connection.execute(self._begin)
            for call in group:
                self._attempt(call)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            log.error("database", extra={"lane": self._name, "error": _reason(error)})
            for call in group:
                call.result, call.error = None, storage_error(error)
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def _attempt(self, call: _Call[Any]) -> None:
        """One piece of work. Raises `sqlite3.Error` if the whole transaction is lost."""
        connection = self._connection
        connection.execute("SAVEPOINT work")
        try:
            call.result = call.work(connection)
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            call.error = error
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")

    @staticmethod
    def _deliver(call: _Call[Any]) -> None:
        def settle() -> None:
            if call.answer.done():
                return
            if call.error is not None:
                call.answer.set_exception(call.error)
            else:
                call.answer.set_result(call.result)

        with contextlib.suppress(RuntimeError):  # the caller's loop has ended: nobody waits
            call.loop.call_soon_threadsafe(settle)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _reason(error: sqlite3.Error | OSError) -> str:
    return getattr(error, "sqlite_errorname", "") or type(error).__name__
