"""Results and uploads: rows in the database, bytes in blobs, a time to live, a quota for each key.

A row is written when its blob is there; a blob goes when its row counts no more (deleted or expired). A
crash in between leaves a blob without a live row: the next start, or the next sweep, takes it away. What
is gone keeps its row for `job_keep_s`, so that its address answers 410 and not 404.
"""

from __future__ import annotations

import asyncio
import builtins
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from streamer.blobs import Blobs, BlobWriter
from streamer.config import Settings
from streamer.database import Database
from streamer.errors import FileQuota, Gone, InvalidParameter, MessageLimit, StreamerError
from streamer.files import links, rows
from streamer.files.forms import check_content_type, check_name
from streamer.resources import FilePurpose, StoredFile
from streamer.tasks import settled

log = logging.getLogger(__name__)

SWEEP_S = 5.0
BATCH = 500
"""Files of one sweep."""
STEP = 1 << 20
"""After so many bytes an upload looks anew at what its key has stored."""
MAX_PAGE = 1000


@dataclass(eq=False, slots=True)
class _Hold:
    """Bytes of an upload under way, which count already. `live` is what the key had stored when the
    upload was of `asked` less `STEP` bytes."""

    key: str
    size: int = 0
    live: int = 0
    asked: int = 0


class FileStore:
    """The files of all keys. `start` before anything is served, in the one process of a data directory."""

    SCHEMA = rows.SCHEMA

    def __init__(
        self, database: Database, blobs: Blobs, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self.blobs = blobs
        self._database = database
        self._settings = settings
        self._clock = clock
        self._secret = b""
        self._uploading: dict[str, int] = {}

    async def start(self) -> None:
        """Load the secret of signed URLs; delete what a crash left, which is blobs of no live row.

        Raises `StorageFull` or `StorageUnavailable` where the database or the directory can't be read;
        a blob that can't be deleted is logged and left to the next start.
        """
        self._secret = await self._database.write(rows.secret)
        stray = await self.blobs.names() - await self._database.read(rows.live_blobs)
        if stray:
            log.info("files of a crash", extra={"files": len(stray)})
            await self.discard(*stray)

    async def run(self) -> None:
        """Sweep every few seconds, until cancelled."""
        while True:
            more = False
            try:
                more = await self.sweep()
            except StreamerError as error:
                log.warning("files not swept", extra={"error": error.code})
            if not more:
                await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> bool:
        """Delete the blobs of a batch of files that are gone, then mark their rows, then drop old rows.
        Whether there may be more. Raises as `start`.

        Bytes first: on a full disk no row can be written before they are freed.
        """
        now = self._clock()
        due = await self._database.read(lambda c: rows.due(c, now, BATCH))
        if due:
            try:
                await self.blobs.delete(*(blob for _, blob in due))
            except StreamerError:  # what can't be deleted keeps nothing else in the list
                lost = [seq for seq, blob in due if not await self.blobs.exists(blob)]
                await self._database.write(lambda c: rows.clear(c, lost, now))
                raise
            await self._database.write(lambda c: rows.clear(c, (seq for seq, _ in due), now))
        before = now - self._settings.job_keep_s
        old = await self._database.read(lambda c: rows.old(c, before, BATCH))
        if old:
            await self._database.write(lambda c: rows.forget(c, old))
        return BATCH in (len(due), len(old))

    async def upload(
        self,
        key: str,
        data: AsyncIterator[bytes] | bytes,
        *,
        content_type: str = "application/octet-stream",
        name: str = "",
        purpose: FilePurpose = "upload",
        ttl_s: float | None = None,
        duration_ms: float | None = None,
    ) -> StoredFile:
        """Keep these bytes. What fails or is cancelled leaves no row, no blob and takes no quota.

        Raises `InvalidParameter`, `MessageLimit` over `max_file_bytes`, `FileQuota` over
        `key_file_bytes`, `StorageFull`, `StorageUnavailable`, and what `data` raises.
        """
        content_type, name = check_content_type(content_type), check_name(name)
        lifetime = self.lifetime(ttl_s)
        if purpose not in get_args(FilePurpose):
            raise InvalidParameter(f"purpose is one of {get_args(FilePurpose)}", param="purpose")
        id = rows.new_id()
        writer = await self.blobs.create(id)
        await self._fill(writer, key, data)
        now = self._clock()
        expires = now + lifetime
        file = StoredFile(
            id, key, purpose, content_type, writer.size, now, expires, name, duration_ms
        )
        try:
            await self._database.write(lambda connection: self.insert(connection, file, id))
        except BaseException as error:
            undo = self._undo(id, row=not isinstance(error, Exception))  # cancelled
            await settled(asyncio.ensure_future(undo))
            raise
        return file

    async def get(self, key: str, id: str) -> StoredFile:
        """A live file of this key. Raises `NotFound` (another key's too) or `Gone`."""
        row = await self._database.read(lambda connection: rows.find(connection, id))
        return self._live(rows.owned(row, key)).file

    async def list(
        self, key: str, *, limit: int = 100, after: str | None = None
    ) -> builtins.list[StoredFile]:
        """Live files, newest first; those that follow the file `after`. Raises `InvalidParameter`."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidParameter(f"limit is 1 to {MAX_PAGE}", param="limit")
        now = self._clock()
        page = await self._database.read(lambda c: rows.page(c, key, now, limit, after))
        if page is None:
            raise InvalidParameter("no such file", param="after")
        return page

    async def delete(self, key: str, id: str) -> None:
        """Raises `NotFound`, or `Gone` where it is so already."""

        def work(connection: sqlite3.Connection) -> builtins.list[str]:
            self._live(rows.owned(rows.find(connection, id), key))
            return self.bury(connection, [id])

        await self.discard(*await self._database.write(work))

    async def keeps(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that have files."""
        return await self._database.read(lambda c: {key for key in keys if rows.keeps(c, key)})

    async def forget_key(self, key: str) -> None:
        """Delete all files of a key."""

        def bury(connection: sqlite3.Connection) -> builtins.list[str]:
            return rows.bury_key(connection, key, self._clock(), BATCH)

        while blobs := await self._database.write(bury):
            await self.discard(*blobs)

    async def locate(self, file: StoredFile) -> Path | str:
        """A file to send, or a URL to send the client to. Raises `Gone`, also where the bytes are lost."""
        blob = self._live(await self._database.read(lambda c: rows.find(c, file.id))).blob
        if not await self.blobs.exists(blob):
            log.error("file lost", extra={"file": file.id})
            raise Gone("the file is lost", param="id")
        return self.blobs.locate(blob)

    def lifetime(self, ttl_s: float | None) -> float:
        """Seconds that a file is kept. Raises `InvalidParameter`."""
        if ttl_s is None:
            return self._settings.file_ttl_s
        if not 0 < ttl_s <= self._settings.max_file_ttl_s:  # not a number is refused too
            longest = self._settings.max_file_ttl_s
            raise InvalidParameter(f"above 0 and at most {longest:.16g} seconds", param="ttl_s")
        return ttl_s

    async def room(self, key: str) -> int:
        """Bytes that are left of a key's quota."""
        live = await self._database.read(lambda c: rows.live_bytes(c, key, self._clock()))
        return max(0, self._settings.key_file_bytes - live - self._uploading.get(key, 0))

    def insert(self, connection: sqlite3.Connection, file: StoredFile, blob: str) -> None:
        """The row of a blob that is committed, in the caller's transaction. Raises `FileQuota`."""
        self._check_quota(rows.live_bytes(connection, file.key, self._clock()) + file.size)
        rows.insert(connection, file, blob)

    def bury(self, connection: sqlite3.Connection, ids: Iterable[str]) -> builtins.list[str]:
        """Mark files as deleted, in the caller's transaction. The blobs to `discard` once it is
        committed; where nobody does, the sweep will."""
        return rows.bury(connection, ids, self._clock())

    async def discard(self, *blobs: str) -> None:
        """Delete blobs whose rows are buried. Raises nothing: the sweep takes what is left."""
        try:
            await self.blobs.delete(*blobs)
        except StreamerError as error:
            log.warning("blobs not deleted", extra={"error": error.code})

    def sign(self, id: str, *, until: float) -> str:
        """The query of a URL that opens this one file, without a key, as long as it lives but no longer
        than `until`."""
        return links.sign(self._secret, id, until)

    async def signed(self, id: str, expires: str, signature: str) -> StoredFile:
        """The file of a signed URL. Raises `Unauthenticated` where a letter of it is not ours, or `Gone`."""
        if self._clock() >= links.check(self._secret, id, expires, signature):
            raise Gone("the link has expired", param="expires")
        return self._live(await self._database.read(lambda c: rows.find(c, id))).file

    async def _fill(self, writer: BlobWriter, key: str, data: AsyncIterator[bytes] | bytes) -> None:
        """Write and commit, within the bounds. The hold ends before the row is written: that counts
        again, and a neighbour must not see the bytes twice."""
        try:
            with self._hold(key) as hold:
                async with aclosing(_pieces(data)) as pieces:
                    async for piece in pieces:
                        await self._grow(hold, len(piece))
                        await writer.write(piece)
            await writer.commit()
        except BaseException:
            await writer.abort()
            raise

    @contextmanager
    def _hold(self, key: str) -> Iterator[_Hold]:
        hold = _Hold(key)
        try:
            yield hold
        finally:
            left = self._uploading.pop(key, 0) - hold.size
            if left > 0:
                self._uploading[key] = left

    async def _grow(self, hold: _Hold, size: int) -> None:
        hold.size += size
        self._uploading[hold.key] = self._uploading.get(hold.key, 0) + size
        limit = self._settings.max_file_bytes
        if hold.size > limit:
            raise MessageLimit(f"a file of more than {limit} bytes", param="file", limit=limit)
        if hold.size >= hold.asked:
            now = self._clock()
            hold.live = await self._database.read(lambda c: rows.live_bytes(c, hold.key, now))
            hold.asked = hold.size + STEP
        self._check_quota(hold.live + self._uploading[hold.key])

    def _check_quota(self, size: int) -> None:
        limit = self._settings.key_file_bytes
        if size > limit:
            raise FileQuota(f"files of more than {limit} bytes", param="file", limit=limit)

    async def _undo(self, id: str, *, row: bool) -> None:
        """Take back an upload whose row was not, or (`row`) may have been, written. The blob stays
        where the row may: it expires with it."""
        try:
            if row:
                await self._database.write(lambda connection: rows.remove(connection, id))
        except StreamerError as error:
            log.warning("upload not taken back", extra={"error": error.code})
        else:
            await self.discard(id)

    def _live(self, row: rows.Row | None) -> rows.Row:
        if row is None or row.deleted or not row.blob or row.file.expires <= self._clock():
            raise Gone("the file has expired or been deleted", param="id")
        return row


async def _pieces(data: AsyncIterator[bytes] | bytes) -> AsyncGenerator[bytes, None]:
    if isinstance(data, bytes | bytearray):
        yield bytes(data)
        return
    async for piece in data:
        yield piece
