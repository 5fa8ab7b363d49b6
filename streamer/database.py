"""One SQLite file for all that must survive: transactions run off the loop, are grouped, and are on disk
when `await` returns.

Writers share one connection and one thread: what waits is run in one transaction, each piece of work in
a savepoint of its own, and is synced to disk once (`synchronous = FULL`). Readers have another, so that
a lock that somebody holds, or a full disk, does not keep anyone from reading.

On a disk that fails a piece of work is told so and has written nothing; the next one tries again, with
nothing to mend or to open anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import sqlite3
import threading
import weakref
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


_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "ENOSPC", "EDQUOT", "EFBIG")
_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
_STATEMENT = (
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
)


def storage_error(error: BaseException) -> StreamerError:
    """What a client is told of a database or a disk that fails; what failed is for the log alone."""
    name = _name(error)
    if name in _FULL:
        return StorageFull("the disk is full", retry_after_s=5)
    if name.startswith(_LOCKED):
        return StorageUnavailable("the database is locked", retry_after_s=5)
    return StorageUnavailable("what is stored can't be read or written now", retry_after_s=5)


def reason(error: BaseException) -> str:
    """The same for the log: the code and its words, which hold names of ours and no values."""
    words = error.strerror if isinstance(error, OSError) else error
    return f"{_name(error)}: {words}"


def _name(error: BaseException) -> str:
    if isinstance(error, OSError):
        return errno.errorcode.get(error.errno or 0, "OSError")
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


class Database:
    """The file at `path`, made (0600) with these tables where it is missing. Raises `StorageUnavailable`
    or `StorageFull`. Threads begin with the first `write` or `read`."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        with contextlib.ExitStack() as opened:
            try:
                _make(path)
                writing = opened.enter_context(contextlib.closing(_connect(path)))
                writing.execute("PRAGMA journal_mode = WAL")
                writing.execute("BEGIN IMMEDIATE")  # a file that can only be read is found out now
                writing.execute("ROLLBACK")
                for statements in schema:
                    writing.executescript(statements)
                reading = opened.enter_context(contextlib.closing(_connect(path)))
                reading.execute("PRAGMA query_only = ON")
            except (sqlite3.Error, OSError) as error:
                log.error("database not opened", extra={"error": reason(error)})
                raise storage_error(error) from None
            opened.pop_all()
        self._writer = _Lane(writing, "database-writer", begin="BEGIN IMMEDIATE")
        self._reader = _Lane(reading, "database-reader", begin="BEGIN")

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once what it wrote is on disk; or what it raises, and nothing is written.

        Raises `StorageFull` or `StorageUnavailable` and has then written nothing; sqlite's own errors
        only where a statement is at fault, not the disk (`IntegrityError`). Cancelled before its
        turn, it never runs; cancelled later, it is written all the same. Work has its turn in the
        order of the calls.
        """
        return await self._writer.run(work)

    async def read(self, work: Work[T]) -> T:
        """As `write`, for work that only reads. It sees all that was written before the call, and all
        rows as they were at one moment."""
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

    def __init__(self, connection: _Connection, name: str, *, begin: str) -> None:
        self._connection = connection
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
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
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
        while self._round():
            pass

    def _round(self) -> bool:
        """Run what waits. False once closed and nothing does."""
        group = self._next()
        if group:
            self._transact(group)
        for call in group:
            self._deliver(call)
        return bool(group)

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
                if not call.answer.cancelled():
                    self._attempt(call)
            connection.execute("COMMIT")
        except BaseException as error:  # sqlite out of memory is a MemoryError; the lane must go on
            log.error("database", extra={"lane": self._name, "error": reason(error)})
            for call in group:
                call.result, call.error = None, storage_error(error)
        finally:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def _attempt(self, call: _Call[Any]) -> None:
        """One piece of work. Raises if the whole transaction is lost."""
        connection = self._connection
        connection.execute("SAVEPOINT work")
        try:
            call.result = call.work(connection)
        except BaseException as error:
            if not connection.in_transaction:
                raise  # sqlite has rolled it all back
            call.error = self._told(error)
            connection.close_cursors()
            connection.execute("ROLLBACK TO work")
        connection.close_cursors()
        connection.execute("RELEASE work")

    def _told(self, error: BaseException) -> Exception:
        """What the caller of a piece of work that raised `error` is told."""
        statement = isinstance(error, _STATEMENT) or _name(error).startswith("SQLITE_ERROR")
        if isinstance(error, sqlite3.Error) and not statement:
            log.error("database", extra={"lane": self._name, "error": reason(error)})
            return storage_error(error)
        if isinstance(error, StopIteration) or not isinstance(error, Exception):
            wrapped = RuntimeError(f"work raised {type(error).__name__}")  # no future takes these
            wrapped.__cause__ = error
            return wrapped
        return error

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


class _Connection(sqlite3.Connection):
    """Knows the cursors that are alive. One that is half read (it hangs on in a traceback, say) holds
    its snapshot, and all who read after it would see the past."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()
        super().__init__(*args, **kwargs)

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        cursor = super().cursor(factory)
        self._cursors.add(cursor)
        return cursor

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        return self.cursor().executemany(sql, parameters)

    def close_cursors(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()


def _make(path: Path) -> None:
    """An empty file for the owner alone, where there is none.

    One that is there is not touched: closing a file drops all locks that this process has on it (POSIX),
    also those of its other connections, and the next reader of another process would take the log away
    from under us as if it were the last.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _connect(path: Path) -> _Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, factory=_Connection
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is written over
    except BaseException:
        connection.close()
        raise
    return connection
