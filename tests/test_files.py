"""Files: kept for their time, within their key's quota, for their owner alone; whole after any crash."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.blobs import BUFFER, Blobs, DirectoryBlobs
from streamer.config import Settings
from streamer.database import Database
from streamer.errors import (
    FileQuota,
    Gone,
    InvalidParameter,
    MessageLimit,
    NotFound,
    StorageFull,
    StorageUnavailable,
    StreamerError,
    Unauthenticated,
)
from streamer.files import (
    FileStore,
    check_content_type,
    check_name,
    forms,
    new_id,
    parse_data_uri,
    rows,
    store,
)
from streamer.resources import StoredFile
from tests.small_disk import root, small_disk


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A data directory with its store, which can be opened again as after a crash."""

    def __init__(self, directory: Path, **values: Any) -> None:
        self.directory = directory
        self.clock = Clock()
        self.settings = replace(Settings(max_file_bytes=1 << 20, key_file_bytes=1 << 21), **values)
        self.blobs: Blobs = DirectoryBlobs(directory / "files")
        self.files, self.database = self._open()

    def _open(self) -> tuple[FileStore, Database]:
        database = Database(self.directory / "streamer.sqlite3", [FileStore.SCHEMA])
        return FileStore(database, self.blobs, self.settings, self.clock), database

    async def restart(self) -> None:
        self.database.close()
        self.files, self.database = self._open()
        await self.files.start()

    def close(self) -> None:
        self.database.close()

    @property
    def disk(self) -> set[str]:
        """What lies in the directory of blobs."""
        directory = self.directory / "files"
        return {path.name for path in directory.iterdir()} if directory.exists() else set()

    def rows(self) -> list[tuple[str, str, bool]]:
        """(id, blob, deleted) of all."""
        with closing(sqlite3.connect(self.directory / "streamer.sqlite3")) as connection:
            query = "SELECT id, blob, deleted IS NOT NULL FROM files ORDER BY seq"
            return [(id, blob, bool(deleted)) for id, blob, deleted in connection.execute(query)]

    async def nothing_left(self, key: str = "k") -> None:
        assert self.disk == set()
        assert self.rows() == []
        assert await self.files.room(key) == self.settings.key_file_bytes
        assert self.files._uploading == {}


@pytest.fixture
def place(tmp_path: Path) -> Any:
    with closing(Place(tmp_path)) as place:
        yield place


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def sent(place: Place, file: StoredFile) -> bytes:
    path = Path(await place.files.locate(file))
    return await asyncio.to_thread(path.read_bytes)


@pytest.mark.asyncio
async def test_an_upload_is_kept_and_told(place: Place) -> None:
    file = await place.files.upload(
        "k",
        pieces(b"RI", b"", b"FF"),
        content_type="Audio/WAV",
        name="été.wav",
        purpose="reference",
        ttl_s=60,
        duration_ms=1.5,
    )
    now = place.clock()
    expected = StoredFile(file.id, "k", "reference", "audio/wav", 4, now, now + 60, "été.wav", 1.5)
    assert file == expected
    assert rows.ID.fullmatch(file.id)
    assert await place.files.get("k", file.id) == expected
    assert await place.files.list("k") == [expected]
    assert await sent(place, file) == b"RIFF"
    await place.restart()
    assert await place.files.get("k", file.id) == expected
    assert await sent(place, file) == b"RIFF"


@pytest.mark.asyncio
async def test_another_key_s_file_is_not_found(place: Place) -> None:
    file = await place.files.upload("k", b"x")
    for key in ("other", "", "K"):
        for act in (place.files.get, place.files.delete):
            with pytest.raises(NotFound):
                await act(key, file.id)
        assert await place.files.list(key) == []
    with pytest.raises(InvalidParameter):
        await place.files.list("other", after=file.id)
    await place.files.delete("k", file.id)
    with pytest.raises(NotFound):  # also what is gone
        await place.files.get("other", file.id)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "id", ["", "file_", "file_" + "0" * 24, "file_" + "g" * 24, "\ud800", "'", "../x"]
)
async def test_what_never_was_is_not_found(place: Place, id: str) -> None:
    with pytest.raises(NotFound) as error:
        await place.files.get("k", id)
    assert error.value.param == "id"
    with pytest.raises(NotFound):
        await place.files.delete("k", id)
    with pytest.raises(InvalidParameter):
        await place.files.list("k", after=id)


@pytest.mark.asyncio
async def test_files_are_listed_newest_first_in_pages(place: Place) -> None:
    files = [await place.files.upload("k", b"x", name=str(n)) for n in range(7)]
    await place.files.delete("k", files[4].id)
    await place.files.upload("other", b"x")
    listed: list[StoredFile] = []
    while page := await place.files.list("k", limit=2, after=listed[-1].id if listed else None):
        listed += page
    assert [file.name for file in listed] == ["6", "5", "3", "2", "1", "0"]
    after_deleted = await place.files.list("k", after=files[4].id)
    assert [file.name for file in after_deleted] == ["3", "2", "1", "0"]
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidParameter) as error:
            await place.files.list("k", limit=limit)
        assert error.value.param == "limit"


@pytest.mark.asyncio
async def test_what_has_expired_is_gone_before_any_sweep_and_from_disk_with_it(
    place: Place,
) -> None:
    await place.files.start()
    short = await place.files.upload("k", b"x", ttl_s=10)
    long = await place.files.upload("k", b"yy")
    link = parse_qs(place.files.sign(short.id, until=place.clock() + 60))
    place.clock.now += 10
    for _ in range(2):
        for act in (place.files.get("k", short.id), place.files.delete("k", short.id)):
            with pytest.raises(Gone):
                await act
        with pytest.raises(Gone):
            await place.files.locate(short)
        with pytest.raises(Gone):
            await open_link(place, short.id, link)
        assert await place.files.list("k") == [long]
        assert await place.files.room("k") == place.settings.key_file_bytes - 2
        await place.files.sweep()
        assert place.disk == {long.id}
    assert place.rows() == [(short.id, "", True), (long.id, long.id, False)]


async def open_link(place: Place, id: str, query: dict[str, list[str]]) -> StoredFile:
    return await place.files.signed(id, query["expires"][0], query["signature"][0])


@pytest.mark.asyncio
async def test_what_is_deleted_is_gone_at_once(place: Place) -> None:
    file = await place.files.upload("k", b"x")
    await place.files.delete("k", file.id)
    assert place.disk == set()
    for act in (place.files.get, place.files.delete):
        with pytest.raises(Gone):
            await act("k", file.id)
    with pytest.raises(Gone):
        await place.files.locate(file)
    assert await place.files.room("k") == place.settings.key_file_bytes


@pytest.mark.asyncio
async def test_what_is_gone_is_forgotten_after_job_keep_s(place: Place) -> None:
    deleted = await place.files.upload("k", b"x")
    expired = await place.files.upload("k", b"x", ttl_s=1)
    await place.files.delete("k", deleted.id)
    place.clock.now += 1
    await place.files.sweep()
    place.clock.now += place.settings.job_keep_s - 1
    await place.files.sweep()
    assert place.rows() == [(expired.id, "", True)]
    place.clock.now += 1
    await place.files.sweep()
    assert place.rows() == []
    with pytest.raises(NotFound):
        await place.files.get("k", expired.id)


@pytest.mark.asyncio
async def test_bytes_that_somebody_took_away_are_gone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    file = await place.files.upload("k", b"x")
    await place.blobs.delete(file.id)
    with pytest.raises(Gone):
        await place.files.locate(file)
    assert caplog.records[-1].message == "file lost"
    await place.restart()
    await place.files.delete("k", file.id)


@pytest.mark.asyncio
@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 2592000.1])
async def test_a_ttl_has_bounds(place: Place, ttl_s: float) -> None:
    with pytest.raises(InvalidParameter) as error:
        await place.files.upload("k", b"x", ttl_s=ttl_s)
    assert error.value.param == "ttl_s"
    assert "2592000 seconds" in error.value.message
    assert "ttl" not in error.value.message, "each API has a name of its own for it"
    await place.nothing_left()
    assert place.files.lifetime(None) == place.settings.file_ttl_s
    assert place.files.lifetime(2592000) == 2592000


@pytest.mark.asyncio
async def test_what_is_said_of_an_upload_is_checked_before_anything_is_read(place: Place) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    wrong: list[tuple[dict[str, Any], str]] = [
        ({"content_type": "text"}, "content_type"),
        ({"name": "a\nb"}, "name"),
        ({"purpose": "else"}, "purpose"),
    ]
    for arguments, param in wrong:
        with pytest.raises(InvalidParameter) as error:
            await place.files.upload("k", never(), **arguments)
        assert error.value.param == param


@pytest.mark.asyncio
async def test_a_file_over_the_bound_is_refused_while_it_comes(place: Place) -> None:
    limit = place.settings.max_file_bytes
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 65536
            yield bytes(65536)

    for data in (endless(), bytes(limit + 1)):
        with pytest.raises(MessageLimit) as error:
            await place.files.upload("k", data)
        assert error.value.details == {"limit": limit}
        await place.nothing_left()
    assert taken == limit + 65536
    assert (await place.files.upload("k", bytes(limit))).size == limit


@pytest.mark.asyncio
async def test_a_quota_is_of_live_bytes_of_one_key(place: Place) -> None:
    half = place.settings.key_file_bytes // 2
    first = await place.files.upload("k", bytes(half), ttl_s=10)
    second = await place.files.upload("k", bytes(half))
    assert await place.files.room("k") == 0
    with pytest.raises(FileQuota) as error:
        await place.files.upload("k", b"x")
    assert error.value.details == {"limit": place.settings.key_file_bytes}
    await place.files.upload("k", b"")
    await place.files.upload("other", b"x")
    place.clock.now += 10  # not yet swept
    await place.files.upload("k", bytes(half))
    await place.files.delete("k", second.id)
    await place.files.upload("k", bytes(half))
    assert first.id in place.disk


@pytest.mark.asyncio
async def test_uploads_at_once_can_t_pass_the_quota_together(place: Place) -> None:
    half = place.settings.key_file_bytes // 2
    size = half // 3 * 2  # three of them are all there is

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, size, 4096):
            yield bytes(min(4096, size - start))
            await asyncio.sleep(0)

    uploads = [place.files.upload("k", slowly()) for _ in range(5)]
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    kept = [outcome for outcome in outcomes if isinstance(outcome, StoredFile)]
    assert {type(outcome) for outcome in outcomes} == {StoredFile, FileQuota}
    assert place.disk == {file.id for file in kept} == {id for id, _, _ in place.rows()}
    left = place.settings.key_file_bytes - size * len(kept)
    assert left >= 0
    assert await place.files.room("k") == left
    assert place.files._uploading == {}


@pytest.mark.asyncio
async def test_what_just_fits_together_fits(place: Place) -> None:
    size = place.settings.key_file_bytes // 8

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield bytes(size // 8)
            await asyncio.sleep(0)

    await asyncio.gather(*(place.files.upload("k", slowly()) for _ in range(8)))
    assert await place.files.room("k") == 0


@pytest.mark.asyncio
async def test_an_upload_under_way_takes_room(place: Place) -> None:
    going, go = asyncio.Event(), asyncio.Event()

    async def paused() -> AsyncIterator[bytes]:
        yield bytes(1000)
        going.set()
        await go.wait()
        yield bytes(1000)

    upload = asyncio.create_task(place.files.upload("k", paused()))
    await going.wait()
    assert await place.files.room("k") == place.settings.key_file_bytes - 1000
    assert await place.files.room("other") == place.settings.key_file_bytes
    go.set()
    await upload
    assert await place.files.room("k") == place.settings.key_file_bytes - 2000


class Broken(Exception):
    """What an upload's client, or a step of ours, fails with."""


@pytest.mark.asyncio
async def test_a_client_that_goes_away_leaves_nothing(place: Place) -> None:
    async def torn() -> AsyncIterator[bytes]:
        yield bytes(BUFFER + 1)
        raise Broken

    with pytest.raises(Broken):
        await place.files.upload("k", torn())
    await place.nothing_left()


@pytest.mark.asyncio
async def test_an_upload_cancelled_at_any_moment_leaves_nothing(place: Place) -> None:
    """Cancelled after the n-th turn of the loop, for every n until it is faster than that."""

    async def data() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(BUFFER)
            await asyncio.sleep(0)

    cancelled = finished = 0
    for turns in range(0, 4000, 3):
        task = asyncio.create_task(place.files.upload("k", data()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            file = await task
        except asyncio.CancelledError:
            cancelled += 1
            await place.nothing_left()
        else:
            finished += 1
            await place.files.delete("k", file.id)
            await place.database.write(lambda c, id=file.id: rows.remove(c, id))  # type: ignore[misc]
            if finished == 3:
                break
    assert cancelled > 3


@pytest.mark.asyncio
async def test_an_upload_cancelled_while_its_row_is_written_leaves_nothing(place: Place) -> None:
    entered, opened = threading.Event(), threading.Event()
    insert = place.files.insert

    def slow(*arguments: Any) -> None:
        insert(*arguments)
        entered.set()
        assert opened.wait(30)

    place.files.insert = slow  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(place.files.upload("k", b"x"))
    await asyncio.to_thread(entered.wait, 30)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await place.nothing_left()


@pytest.mark.asyncio
async def test_a_row_that_is_not_written_leaves_no_blob(place: Place) -> None:
    for error in (StorageFull("full"), Broken()):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        place.files.insert = fail  # type: ignore[method-assign, assignment]
        with pytest.raises(type(error)):
            await place.files.upload("k", b"x")
        del place.files.insert
        await place.nothing_left()


@contextmanager
def crash(target: object, name: str, *, after: bool) -> Any:
    """The process ends before or after this step: nothing that follows on our side is run."""
    step = getattr(target, name)

    class Crash(BaseException):
        pass

    async def awaited(*arguments: Any) -> Any:
        if after:
            await step(*arguments)
        raise Crash

    setattr(target, name, awaited)
    with suppress(Crash):
        yield
    delattr(target, name)


@pytest.mark.asyncio
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["delete", "write"])
@pytest.mark.parametrize("act", ["delete", "sweep", "upload"])
async def test_after_a_crash_at_any_step_rows_and_blobs_agree(
    place: Place, step: str, after: bool, act: str
) -> None:
    kept = await place.files.upload("k", b"kept")
    doomed = await place.files.upload("k", b"doomed", ttl_s=10)
    target: Any = place.blobs if step == "delete" else place.database
    with crash(target, step, after=after):
        if act == "delete":
            await place.files.delete("k", doomed.id)
        elif act == "sweep":
            place.clock.now += 10
            await place.files.sweep()
        else:
            await place.files.upload("k", b"new")
    await place.restart()
    live = {file.id for file in await place.files.list("k")}
    for id, blob, _ in place.rows():
        if id in live:
            assert blob in place.disk
    place.clock.now += 10
    await place.files.sweep()
    live = {file.id for file in await place.files.list("k")}
    assert place.disk == live
    assert kept.id in live
    assert {id for id, blob, _ in place.rows() if blob} == live


@pytest.mark.asyncio
async def test_a_start_deletes_what_a_crash_left(place: Place) -> None:
    file = await place.files.upload("k", b"x")
    deleted = await place.files.upload("k", b"x")
    await place.database.write(lambda c: place.files.bury(c, [deleted.id]))
    stray = await place.blobs.create("job_1-1-0")  # a job's, before its row
    await stray.commit()
    half = await place.blobs.create(new_id())  # an upload's, halfway
    await half.write(bytes(BUFFER))
    assert len(place.disk) == 4
    await place.restart()
    assert place.disk == {file.id}
    await half.abort()


@pytest.mark.asyncio
async def test_the_first_start_makes_no_directory(place: Place) -> None:
    await place.files.start()
    assert await place.files.sweep() is False
    assert not (place.directory / "files").exists()


class Stuck(DirectoryBlobs):
    """A directory in which one blob can't be deleted."""

    stuck = ""

    async def delete(self, *names: str) -> None:
        await super().delete(*(name for name in names if name != self.stuck))
        if self.stuck in names:
            raise StorageUnavailable("stuck")


@pytest.mark.asyncio
async def test_a_blob_that_can_t_be_deleted_is_tried_again_and_keeps_no_other(
    tmp_path: Path,
) -> None:
    with closing(Place(tmp_path)) as place:
        blobs = place.files.blobs = Stuck(tmp_path / "files")
        files = [await place.files.upload("k", b"x", ttl_s=1) for _ in range(3)]
        blobs.stuck = files[1].id
        place.clock.now += 1
        with pytest.raises(StorageUnavailable):
            await place.files.sweep()
        assert place.disk == {files[1].id}
        assert [blob for _, blob, _ in place.rows()] == ["", files[1].id, ""]
        await place.restart()  # this store knows the plain directory
        await place.files.sweep()
        assert [blob for _, blob, _ in place.rows()] == ["", "", ""]


@pytest.mark.asyncio
async def test_deleting_is_done_though_the_blob_stays_for_a_while(tmp_path: Path) -> None:
    with closing(Place(tmp_path)) as place:
        blobs = place.files.blobs = Stuck(tmp_path / "files")
        file = await place.files.upload("k", b"x")
        blobs.stuck = file.id
        await place.files.delete("k", file.id)
        with pytest.raises(Gone):
            await place.files.get("k", file.id)
        blobs.stuck = ""
        await place.files.sweep()
        assert place.disk == set()


@pytest.mark.asyncio
async def test_the_sweeper_goes_on_after_errors_and_takes_batch_after_batch(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "SWEEP_S", 0.01)
    monkeypatch.setattr(store, "BATCH", 2)
    for _ in range(7):
        await place.files.upload("k", b"x", ttl_s=1)
    place.clock.now += 1
    sweep, failures = place.files.sweep, 2

    async def failing() -> bool:
        nonlocal failures
        if failures:
            failures -= 1
            raise StorageUnavailable("locked")
        return await sweep()

    place.files.sweep = failing  # type: ignore[method-assign]
    running = asyncio.create_task(place.files.run())
    while place.disk:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    warned = [r.__dict__["error"] for r in caplog.records if r.message == "files not swept"]
    assert warned == ["storage_unavailable"] * 2


@root
@pytest.mark.asyncio
async def test_a_full_disk_is_told_and_works_again_once_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk, closing(Place(disk.path)) as place:
        await place.files.start()
        kept = await place.files.upload("k", b"kept")
        old = await place.files.upload("k", bytes(1 << 19), ttl_s=10)
        disk.fill()
        for _ in range(3):
            with pytest.raises(StorageFull):
                await place.files.upload("k", bytes(1 << 19))
        assert place.disk == {kept.id, old.id}
        assert await place.files.list("k") == [old, kept]
        place.clock.now += 10
        await place.files.sweep()  # frees what it needs itself
        assert place.disk == {kept.id}
        disk.empty()
        again = await place.files.upload("k", bytes(1 << 19))
        assert await sent(place, again) == bytes(1 << 19)
        assert await sent(place, kept) == b"kept"


@pytest.mark.asyncio
async def test_a_job_s_results_count_and_are_refused_over_the_quota(place: Place) -> None:
    def result(size: int) -> StoredFile:
        now = place.clock()
        return StoredFile(new_id(), "k", "result", "audio/wav", size, now, now + 60)

    def both(*files: StoredFile) -> Callable[[sqlite3.Connection], None]:
        def work(connection: sqlite3.Connection) -> None:
            for file in files:
                place.files.insert(connection, file, f"job_1-1-{file.size}")

        return work

    quota = place.settings.key_file_bytes
    first = result(quota - 10)
    await place.database.write(both(first))
    with pytest.raises(FileQuota):
        await place.database.write(both(result(6), result(5)))
    assert place.rows() == [(first.id, f"job_1-1-{quota - 10}", False)]  # neither of them
    assert await place.files.room("k") == 10
    assert await place.files.get("k", first.id) == first


@pytest.mark.asyncio
async def test_what_a_job_buries_is_gone_and_named_once(place: Place) -> None:
    file = await place.files.upload("k", b"x")
    ids = [file.id, new_id()]
    blobs = await place.database.write(lambda c: place.files.bury(c, ids))
    assert blobs == [file.id]
    assert await place.database.write(lambda c: place.files.bury(c, ids)) == []
    with pytest.raises(Gone):
        await place.files.get("k", file.id)
    await place.files.discard(*blobs)
    assert place.disk == set()


@pytest.mark.asyncio
async def test_a_signed_link_opens_its_file_until_its_time(place: Place) -> None:
    await place.files.start()
    file = await place.files.upload("k", b"x", ttl_s=100)
    link = parse_qs(place.files.sign(file.id, until=place.clock() + 50.9), strict_parsing=True)
    assert link["expires"] == [str(int(place.clock()) + 51)]
    assert await open_link(place, file.id, link) == file
    await place.restart()  # the secret is kept
    assert await open_link(place, file.id, link) == file
    place.clock.now += 50.9  # not a moment earlier
    assert await open_link(place, file.id, link) == file
    place.clock.now += 0.1
    with pytest.raises(Gone):
        await open_link(place, file.id, link)


@pytest.mark.asyncio
async def test_a_signed_link_never_outlives_its_file(place: Place) -> None:
    await place.files.start()
    file = await place.files.upload("k", b"x", ttl_s=100)
    link = parse_qs(place.files.sign(file.id, until=place.clock() + 1e9))
    place.clock.now += 100
    with pytest.raises(Gone):
        await open_link(place, file.id, link)
    for _ in range(2):
        place.clock.now += place.settings.job_keep_s
        await place.files.sweep()
        with pytest.raises(Gone):  # also when the row is forgotten: it was signed, so it was there
            await open_link(place, file.id, link)
    assert place.rows() == []


ALTERATIONS: list[Callable[[str, str, str], tuple[str, str, str]]] = [
    lambda id, e, s: (id, str(int(e) + 1), s),
    lambda id, e, s: (id, "0" + e, s),
    lambda id, e, s: (id, "+" + e, s),
    lambda id, e, s: (id, " " + e, s),
    lambda id, e, s: (id, e + "\n", s),
    lambda id, e, s: (id, e + ".0", s),
    lambda id, e, s: (id, e + "0", s),
    lambda id, e, s: (id, e[0] + "_" + e[1:], s),
    lambda id, e, s: (id, e.translate({ord("1"): "١"}), s),
    lambda id, e, s: (id, "", s),
    lambda id, e, s: (id, "-1", s),
    lambda id, e, s: (id, "9" * 5000, s),
    lambda id, e, s: (id, e, ""),
    lambda id, e, s: (id, e, s[:-1]),
    lambda id, e, s: (id, e, s + "="),
    lambda id, e, s: (id, e, s + "A"),
    lambda id, e, s: (id, e, s[:-1] + chr(ord(s[-1]) + 1)),  # the same bytes in base64
    lambda id, e, s: (id, e, s.swapcase()),
    lambda id, e, s: (id, e, " " + s),
    lambda id, e, s: (id, e, "\ud800" + s[1:]),
    lambda id, e, s: (id, e, "é" * 43),
    lambda id, e, s: (id, e, s.translate({ord("-"): "+", ord("_"): "/"}) + "\0"),
    lambda id, e, s: (new_id(), e, s),
    lambda id, e, s: (id.upper(), e, s),
    lambda id, e, s: (id + "\n" + e, e, s),
    lambda id, e, s: (id + e[0], e[1:], s),
    lambda id, e, s: ("", e, s),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("alter", ALTERATIONS)
async def test_nothing_in_a_signed_link_can_be_altered(
    place: Place, alter: Callable[[str, str, str], tuple[str, str, str]]
) -> None:
    await place.files.start()
    file = await place.files.upload("k", b"x")
    link = parse_qs(place.files.sign(file.id, until=place.clock() + 60))
    with pytest.raises(Unauthenticated):
        await place.files.signed(*alter(file.id, link["expires"][0], link["signature"][0]))


@pytest.mark.asyncio
async def test_another_server_s_signature_is_worth_nothing(place: Place, tmp_path: Path) -> None:
    await place.files.start()
    file = await place.files.upload("k", b"x")
    other = tmp_path / "other"
    await asyncio.to_thread(other.mkdir)
    with closing(Place(other)) as elsewhere:
        with pytest.raises(RuntimeError):  # no secret, no signature
            elsewhere.files.sign(file.id, until=place.clock() + 60)
        await elsewhere.files.start()
        link = parse_qs(elsewhere.files.sign(file.id, until=place.clock() + 60))
    with pytest.raises(Unauthenticated):
        await open_link(place, file.id, link)


@pytest.mark.parametrize(
    "text",
    [
        "audio/wav",
        "application/vnd.apple.mpegurl",
        "audio/ogg; codecs=opus",
        'audio/ogg;codecs="opus, flac" ; x=1',
        "a/b+c",
    ],
)
def test_a_content_type_is_a_token_a_slash_and_a_token(text: str) -> None:
    assert check_content_type(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "audio",
        "audio/",
        "/wav",
        "a/b/c",
        "audio/wav;",
        "audio/wav; x",
        "audio/wav\r\nX: y",
        "audio/wäv",
        "audio /wav",
        " audio/wav",
        'a/b;c="\\""',
        "a/b;c=\x00",
        "a/" + "b" * 199,
        "*/*;q=\ud800",
        "a/b" + ";" * 190,
        "a/b" + "; " * 90,
    ],
)
def test_other_content_types_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        check_content_type(text)
    assert error.value.param == "content_type"


def test_a_name_is_a_line_without_controls() -> None:
    for name in ("", "a b.wav", "声.wav", "👩‍🚀", "x" * 255):
        assert check_name(name) == name
    for name in ("x" * 256, "a\nb", "a\0", "\x7f", "\u2028", "\ud800", "\x85"):
        with pytest.raises(InvalidParameter) as error:
            check_name(name)
        assert error.value.param == "name"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("data:,", ("text/plain;charset=US-ASCII", b"")),
        ("data:,A%20brief%20note", ("text/plain;charset=US-ASCII", b"A brief note")),  # RFC 2397
        ("data:text/plain;charset=iso-8859-7,%be%fe",
         ("text/plain;charset=iso-8859-7", b"\xbe\xfe")),
        ("data:;charset=utf-8,x", ("text/plain;charset=utf-8", b"x")),
        ("DATA:Audio/WAV;BASE64,UklGRg==", ("audio/wav", b"RIFF")),
        ("data:audio/wav;base64,UklGRg", ("audio/wav", b"RIFF")),
        ("data:audio/wav;base64,UklG\r\n Rg==\n", ("audio/wav", b"RIFF")),
        ("data:audio/wav;base64,UklGRg%3D%3D", ("audio/wav", b"RIFF")),
        ("data:audio/ogg; codecs=opus ;base64,", ("audio/ogg; codecs=opus", b"")),
        ("data:;base64,+/+/", ("text/plain;charset=US-ASCII", b"\xfb\xff\xbf")),
        ("data:base64,x", None),
        ("data:audio/wav;base64,a,b", None),
        ("data:x/y,a,b", ("x/y", b"a,b")),
    ],
)  # fmt: skip
def test_a_data_uri_is_a_content_type_and_bytes(
    uri: str, expected: tuple[str, bytes] | None
) -> None:
    if expected is None:
        with pytest.raises(InvalidParameter):
            parse_data_uri(uri)
    else:
        assert parse_data_uri(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data",
        "data:",
        "data:audio/wav;base64",
        "http://x/,",
        " data:,x",
        "data:,%",
        "data:,%g0",
        "data:,a#b",
        "data:,ä",
        "data:,\n",
        "data:;base64,A",
        "data:;base64,A===",
        "data:;base64,=",
        "data:;base64,====",
        "data:;base64,A-_A",
        "data:;base64,AA=A",
        "data:;base64,ä",
        "data:x,y",
        "data:;base64,%ff",
        "data:a/b;" + "x" * 300 + ",y",
        "data:a/b\r\nX: y,z",
        "data:,\ud800",
        "data:;base64,\ud800",
    ],
)
def test_other_data_uris_are_refused(uri: str) -> None:
    with pytest.raises(InvalidParameter) as error:
        parse_data_uri(uri, "audio")
    assert error.value.param == "audio"


@given(st.binary())
def test_any_bytes_pass_through_a_data_uri(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert parse_data_uri(f"data:a/b;base64,{encoded}") == ("a/b", data)
    assert parse_data_uri(f"data:a/b,{quote_from_bytes(data)}") == ("a/b", data)


@pytest.mark.parametrize("size", [forms.SLICE - 1, forms.SLICE, 3 * forms.SLICE + 1])
@pytest.mark.parametrize("broken", [False, True])
def test_a_data_uri_is_decoded_in_slices(size: int, broken: bool) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    encoded = (base64.encodebytes if broken else base64.b64encode)(data).decode()
    assert parse_data_uri(f"data:a/b;base64,{encoded}") == ("a/b", data)
    assert parse_data_uri(f"data:a/b,{quote_from_bytes(data)}") == ("a/b", data)
    for wrong in ("=" + encoded, encoded[:9] + "=" + encoded[9:], encoded + "====", encoded + "-"):
        with pytest.raises(InvalidParameter):
            parse_data_uri(f"data:a/b;base64,{wrong}")


@given(st.text() | st.from_regex(r"data:[ -~]{0,30},[ -~]*", fullmatch=True))
def test_any_text_is_a_data_uri_or_a_typed_error(text: str) -> None:
    with suppress(InvalidParameter):
        content_type, data = parse_data_uri(text)
        assert check_content_type(content_type) == content_type
        assert isinstance(data, bytes)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["upload", "delete", "expire", "sweep", "restart", "fail"]),
            st.integers(0, 700_000),
        ),
        max_size=12,
    )
)
def test_whatever_is_done_quota_list_and_disk_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    async def run(place: Place) -> None:
        live: dict[str, StoredFile] = {}
        for step, number in steps:
            if step == "upload":
                fits = number <= place.settings.key_file_bytes - sum(f.size for f in live.values())
                try:
                    file = await place.files.upload("k", bytes(number), ttl_s=1 + number % 3)
                    live[file.id] = file
                    assert fits
                except FileQuota:
                    assert not fits
            elif step == "fail":
                with suppress(StreamerError):
                    await place.files.upload("k", bytes(place.settings.max_file_bytes + 1))
            elif step == "delete" and live:
                id = sorted(live)[number % len(live)]
                await place.files.delete("k", id)
                del live[id]
            elif step == "expire":
                place.clock.now += 1
                live = {id: f for id, f in live.items() if f.expires > place.clock()}
            elif step == "sweep":
                await place.files.sweep()
                assert place.disk == set(live)
            elif step == "restart":
                await place.restart()
            assert {file.id for file in await place.files.list("k")} == set(live)
            assert await place.files.room("k") == place.settings.key_file_bytes - sum(
                file.size for file in live.values()
            )
            assert set(live) <= place.disk

    with closing(Place(tmp_path_factory.mktemp("place"))) as place:
        asyncio.run(run(place))
