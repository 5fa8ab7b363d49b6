"""Blobs are there whole or not at all, whatever fails, is cancelled or forgotten on the way."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import blobs as module
from streamer.blobs import BUFFER, Blobs, DirectoryBlobs
from streamer.errors import StorageFull, StorageUnavailable
from tests.small_disk import root, small_disk


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def blobs(directory: Path) -> Blobs:
    return DirectoryBlobs(directory)


def mode(path: Path) -> int | None:
    """Its permissions; None where there is nothing."""
    return path.stat().st_mode & 0o777 if path.exists() else None


async def put(blobs: Blobs, name: str, size: int = BUFFER) -> None:
    writer = await blobs.create(name)
    for start in range(0, size, BUFFER):
        await writer.write(bytes(min(BUFFER, size - start)))
    await writer.commit()


def content(blobs: Blobs, name: str) -> bytes:
    return Path(blobs.locate(name)).read_bytes()


@pytest.mark.asyncio
async def test_what_is_committed_is_there_and_the_owners_alone(
    blobs: Blobs, directory: Path
) -> None:
    writer = await blobs.create("a")
    assert mode(directory) is None  # made with the first file, not before
    await writer.write(b"one ")
    await writer.write(b"two")
    await writer.commit()
    assert writer.size == 7
    assert content(blobs, "a") == b"one two"
    assert await blobs.names() == {"a"}
    assert await blobs.exists("a")
    assert mode(directory) == 0o700
    assert mode(directory / "a") == 0o600


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER])
@pytest.mark.parametrize("piece", [977, BUFFER, 4 * BUFFER])
async def test_it_is_the_same_however_it_is_cut(blobs: Blobs, size: int, piece: int) -> None:
    data = os.urandom(size)
    writer = await blobs.create("a")
    for start in range(0, size, piece):
        await writer.write(data[start : start + piece])
    await writer.commit()
    assert content(blobs, "a") == data


@pytest.mark.asyncio
async def test_until_it_is_committed_it_is_hidden(blobs: Blobs) -> None:
    writer = await blobs.create("a")
    await writer.write(bytes(BUFFER))
    (name,) = await blobs.names()
    assert name.startswith(".a.")
    assert not await blobs.exists("a")
    await blobs.delete(name)  # a sweep takes it
    assert await blobs.names() == set()
    await writer.abort()


@pytest.mark.asyncio
async def test_small_writes_cost_no_thread(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    hops = 0
    hop = module._on_thread

    async def counted(work: Any) -> Any:
        nonlocal hops
        hops += 1
        return await hop(work)

    monkeypatch.setattr(module, "_on_thread", counted)
    writer = await blobs.create("a")
    for _ in range(2 * BUFFER // 200):
        await writer.write(bytes(200))
    await writer.commit()
    assert hops == 2


@pytest.mark.asyncio
async def test_abort_leaves_nothing_and_may_come_again(blobs: Blobs) -> None:
    for size in (0, 10, 2 * BUFFER):
        writer = await blobs.create("a")
        await writer.write(bytes(size))
        await writer.abort()
        await writer.abort()
        assert await blobs.names() == set()
        with pytest.raises(ValueError):
            await writer.write(b"x")
        with pytest.raises(ValueError):
            await writer.commit()


@pytest.mark.asyncio
async def test_abort_after_commit_takes_nothing_back(blobs: Blobs) -> None:
    writer = await blobs.create("a")
    await writer.commit()
    await writer.abort()
    del writer
    gc.collect()
    assert content(blobs, "a") == b""


@pytest.mark.asyncio
async def test_a_writer_that_is_dropped_leaves_nothing(blobs: Blobs) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    writer = await blobs.create("a")
    await writer.write(bytes(BUFFER))
    assert len(await blobs.names()) == 1
    del writer
    gc.collect()
    assert await blobs.names() == set()
    assert len(os.listdir("/proc/self/fd")) == descriptors


class Stall:
    """A system call that waits until it is let go, then does what it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self._call = getattr(os, name)
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.entered.set()
        assert self.opened.wait(30)
        return self._call(*arguments, **options)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", ["open", "write", "fsync", "close"])
async def test_cancelled_in_any_system_call_it_leaves_nothing(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    stall = Stall(monkeypatch, call)

    async def write() -> None:
        writer = await blobs.create("a")
        await writer.write(bytes(BUFFER))
        await writer.commit()

    task = asyncio.create_task(write())
    await asyncio.to_thread(stall.entered.wait, 30)
    for _ in range(3):  # once more while it cleans up
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()  # the thread is at it still
    stall.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert await blobs.names() == set()
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.asyncio
@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, StorageUnavailable),
        (errno.EIO, StorageUnavailable),
    ],
)
async def test_whatever_fails_is_told_and_leaves_nothing(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: type[Exception]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(expected):
        await put(blobs, "a")
    monkeypatch.undo()
    assert await blobs.names() == set()
    await put(blobs, "a")
    assert await blobs.names() == {"a"}


@pytest.mark.asyncio
async def test_a_blob_whose_directory_can_t_be_synced_is_not_there(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "no")

    writer = await blobs.create("b")
    await writer.commit()
    monkeypatch.setattr(module, "_sync", fail)
    writer = await blobs.create("a")
    with pytest.raises(StorageUnavailable):
        await writer.commit()
    assert await blobs.names() == {"b"}


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [5, BUFFER + 5])
async def test_the_first_bytes_may_be_known_last(blobs: Blobs, size: int) -> None:
    writer = await blobs.create("a")
    await writer.write(bytes(size))
    with pytest.raises(ValueError):
        await writer.commit(bytes(size + 1))
    await writer.commit(b"abc")
    assert writer.size == size
    written = await asyncio.to_thread(Path(blobs.locate("a")).read_bytes)
    assert written == b"abc" + bytes(size - 3)


@root
@pytest.mark.asyncio
async def test_a_full_disk_is_told_and_works_again_with_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        blobs = DirectoryBlobs(disk.path / "files")
        kept = await blobs.create("kept")
        await kept.commit()
        for _ in range(3):
            with pytest.raises(StorageFull):
                await put(blobs, "a", 16 * BUFFER)
        assert await blobs.names() == {"kept"}  # and the space is given back:
        await put(blobs, "a", 2 * BUFFER)
        disk.remount("ro")
        with pytest.raises(StorageUnavailable):
            await put(blobs, "b")
        with pytest.raises(StorageUnavailable):
            await blobs.delete("a")
        assert len(content(blobs, "a")) == 2 * BUFFER
        disk.remount("rw")
        await blobs.delete("a")
        assert await blobs.names() == {"kept"}


@pytest.mark.asyncio
async def test_a_directory_that_somebody_removed_is_made_again(
    blobs: Blobs, directory: Path
) -> None:
    await put(blobs, "a")
    await blobs.delete("a")
    os.rmdir(directory)
    assert await blobs.names() == set()
    await put(blobs, "a")
    assert await blobs.names() == {"a"}


@pytest.mark.asyncio
async def test_deleting_takes_all_it_can(blobs: Blobs, directory: Path) -> None:
    for name in ("a", "c"):
        await (await blobs.create(name)).commit()
    (directory / "b").mkdir()  # can't be unlinked
    with pytest.raises(StorageUnavailable):
        await blobs.delete("a", "b", "missing", "c")
    assert await blobs.names() == set()
    await blobs.delete("missing")
    await blobs.delete()


@pytest.mark.asyncio
async def test_what_is_not_a_blob_is_no_name(blobs: Blobs, directory: Path) -> None:
    await (await blobs.create("a")).commit()
    (directory / "b").symlink_to("/etc/passwd")
    (directory / "c").mkdir()
    (directory / "READ ME").touch()
    assert await blobs.names() == {"a"}


BAD_NAMES = ["", ".", "..", "../a", "a/b", "/a", "a\n", "a\0", "A", "ä", ".a", "a" * 193, "a b"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", BAD_NAMES)
async def test_names_are_no_paths(blobs: Blobs, name: str) -> None:
    with pytest.raises(ValueError):
        await blobs.create(name)
    with pytest.raises(ValueError):
        blobs.locate(name)
    if name != ".a":  # a sweep may name what is hidden
        with pytest.raises(ValueError):
            await blobs.delete(name)


@given(st.text(alphabet="ab./_-0\\\n", max_size=8))
def test_no_name_leaves_the_directory(name: str) -> None:
    directory = Path("/nowhere/files")
    try:
        path = DirectoryBlobs(directory).locate(name)
    except ValueError:
        return
    assert Path(os.path.normpath(path)).parent == directory


def test_a_loop_that_ends_halfway_leaves_nothing(directory: Path) -> None:
    blobs = DirectoryBlobs(directory)

    async def leave() -> None:
        async def write() -> None:
            writer = await blobs.create("a")
            while True:
                await writer.write(bytes(BUFFER))
                await asyncio.sleep(0)

        task = asyncio.create_task(write())
        while not await blobs.names():
            await asyncio.sleep(0)
        assert not task.done()

    asyncio.run(leave())
    gc.collect()
    assert asyncio.run(blobs.names()) == set()
