"""Bytes by name: a directory now, a store that speaks S3 behind the same protocol later.

A blob is there whole or not at all: it is written under a hidden name, synced, and then renamed. Blocking
work runs on threads; cancelled, a caller waits for the piece that is under way, so that nothing goes on
behind its back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import stat
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from streamer.database import reason, storage_error
from streamer.tasks import settled

log = logging.getLogger(__name__)

T = TypeVar("T")

BUFFER = 256 * 1024
"""Bytes that are gathered before a thread is asked to write them."""
_NAME = re.compile(r"[a-z0-9_-][a-z0-9_.-]{0,127}")
_HIDDEN = re.compile(r"\.?[a-z0-9_-][a-z0-9_.-]{0,191}")


class BlobWriter(Protocol):
    """One new blob. Whatever fails or is cancelled takes back what was written; so does dropping it."""

    @property
    def size(self) -> int:
        """Bytes taken so far."""

    async def write(self, data: bytes) -> None:
        """Append. Raises `StorageFull` or `StorageUnavailable`."""

    async def commit(self, head: bytes = b"") -> None:
        """Make it visible under its name, and durable. `head` replaces as many of the first bytes: what
        is known only at the end. Raises as `write`, and then there is nothing."""

    async def abort(self) -> None:
        """Take back what is not committed. May be called at any time, and twice."""


class Blobs(Protocol):
    """All raise `StorageFull` or `StorageUnavailable`. Names are of a-z, 0-9, `_`, `.` and `-`."""

    async def create(self, name: str) -> BlobWriter:
        """A writer for a new blob; one of the same name is replaced when it commits."""

    def locate(self, name: str) -> Path | str:
        """A file to send, or a URL to send the client to."""

    async def exists(self, name: str) -> bool: ...

    async def delete(self, *names: str) -> None:
        """Missing ones are fine. Where some can't be deleted the others are, and it raises."""

    async def names(self) -> set[str]:
        """All there is, also what is not committed: for the sweep after a crash."""


class DirectoryBlobs:
    """Files (0600) in one directory (0700), which is made with the first of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def create(self, name: str) -> BlobWriter:
        return _FileWriter(self._directory, _checked(name))

    def locate(self, name: str) -> Path:
        return self._directory / _checked(name)

    async def exists(self, name: str) -> bool:
        return await _on_thread(self.locate(name).is_file)

    async def delete(self, *names: str) -> None:
        paths = [self._directory / _checked(name, _HIDDEN) for name in names]

        def work() -> None:
            failed: OSError | None = None
            for path in paths:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    failed = error
            if failed is not None:
                raise failed

        if paths:
            await _on_thread(work)

    async def sync(self) -> None:
        """Have on disk what was deleted so far. Raises as `delete`."""
        if await _on_thread(self._directory.is_dir):
            await _on_thread(lambda: _sync(self._directory))

    async def names(self) -> set[str]:
        def work() -> set[str]:
            try:
                with os.scandir(self._directory) as entries:
                    return {
                        entry.name
                        for entry in entries
                        if _HIDDEN.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
                    }
            except FileNotFoundError:
                return set()

        return await _on_thread(work)


class _FileWriter:
    """Gathers what is written, so that a packet of 200 bytes costs no thread's turn."""

    def __init__(self, directory: Path, name: str) -> None:
        self._size = 0
        self._buffer = bytearray()
        self._file = _NewFile(directory, name)
        weakref.finalize(self, self._file.discard)  # dropped, also by the interpreter's end

    @property
    def size(self) -> int:
        return self._size

    async def write(self, data: bytes) -> None:
        if self._file.ended:
            raise ValueError("this blob has ended")
        self._size += len(data)
        self._buffer += data
        if len(self._buffer) >= BUFFER:
            gathered, self._buffer = self._buffer, bytearray()
            await self._work(lambda: self._file.append(gathered))

    async def commit(self, head: bytes = b"") -> None:
        if self._file.ended:
            raise ValueError("this blob has ended")
        if len(head) > self._size:
            raise ValueError("a head is no longer than its blob")
        gathered, self._buffer = self._buffer, bytearray()
        await self._work(lambda: self._file.publish(gathered, head))
        self._file.keep()

    async def abort(self) -> None:
        self._buffer = bytearray()
        if not self._file.ended:
            await _on_thread(self._file.discard)

    async def _work(self, work: Callable[[], None]) -> None:
        try:
            await _on_thread(work)
        except BaseException:
            await self.abort()
            raise


class _NewFile:
    """The blocking half: a hidden file that may become a visible one. One call at a time."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._hidden = directory / f".{name}.{secrets.token_hex(4)}"
        self._visible = directory / name
        self._descriptor = -1
        self._present: Path | None = None
        self.ended = False

    def append(self, data: bytes | bytearray) -> None:
        if self._descriptor < 0:
            self._descriptor = self._open()
            self._present = self._hidden
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def publish(self, data: bytes | bytearray, head: bytes) -> None:
        self.append(data)
        if head:
            os.pwrite(self._descriptor, head, 0)
        os.fsync(self._descriptor)
        self._close()
        self._hidden.rename(self._visible)
        self._present = self._visible
        _sync(self._directory)

    def keep(self) -> None:
        """What is published stays."""
        self._present = None
        self.ended = True

    def discard(self) -> None:
        """Take it back, published or not. Never raises: what stays is the next start's to sweep."""
        self.ended = True
        with contextlib.suppress(OSError):
            self._close()
        present, self._present = self._present, None
        if present is not None:
            try:
                present.unlink(missing_ok=True)
            except OSError as error:
                log.warning("blob not taken back", extra={"error": reason(error)})

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._hidden, flags, 0o600)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                self._directory.mkdir(stat.S_IRWXU)
                _sync(self._directory.parent)
            return os.open(self._hidden, flags, 0o600)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(name: str, pattern: re.Pattern[str] = _NAME) -> str:
    if not pattern.fullmatch(name):
        raise ValueError("not a blob's name")
    return name


async def _on_thread(work: Callable[[], T]) -> T:
    """`work`'s result. Raises `StorageFull` or `StorageUnavailable` for an `OSError`.

    A future of the loop's own threads and no task (`asyncio.to_thread`): at its end a loop cancels all
    tasks, but a thread goes on.
    """
    try:
        return await settled(asyncio.get_running_loop().run_in_executor(None, work))
    except OSError as error:
        log.error("files", extra={"error": reason(error)})
        raise storage_error(error) from None
