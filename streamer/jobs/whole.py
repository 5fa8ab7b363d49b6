"""Files that can be made only when all of their sound is there: Vorbis, which has no rate of its own."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO, TypeVar

from streamer.audio import vorbis
from streamer.blobs import BUFFER, BlobWriter
from streamer.database import storage_error
from streamer.files import FileStore
from streamer.resources import NATIVE, JobRequest
from streamer.tasks import settled
from streamer.types import AudioFormat, Start

T = TypeVar("T")


def whole_of(request: JobRequest) -> AudioFormat | None:
    """What the sound of a job is to become once it is whole; None where that is what it is spoken as. By
    the native API there is no such format: it is refused as any unknown one."""
    audio = request.start.audio
    return audio if audio.codec == "vorbis" and request.dialect != NATIVE else None


def spoken_of(request: JobRequest) -> Start:
    """How its session is begun: for a whole file with PCM of the file's rate, which `WholeWriter` takes."""
    audio = whole_of(request)
    if audio is None:
        return request.start
    return replace(request.start, audio=AudioFormat("pcm_s16le", sample_rate=audio.sample_rate))


def mime_of(request: JobRequest) -> str:
    """Of a whole file; "" where it is the session's."""
    return "" if whole_of(request) is None else vorbis.MIME


async def create_writer(
    files: FileStore, name: str, request: JobRequest, turn: asyncio.Semaphore
) -> BlobWriter:
    """What takes the sound of that session into a new blob. Raises as `Blobs.create`."""
    audio, writer = whole_of(request), await files.blobs.create(name)
    return writer if audio is None else WholeWriter(writer, audio, turn)


class _GivenUp(Exception):
    """Nobody waits for it any more."""


class WholeWriter:
    """Takes PCM, keeps it in a file without a name, and encodes all of it into a blob when it commits: on
    a thread, one of those that `turn` lets at it."""

    def __init__(self, writer: BlobWriter, audio: AudioFormat, turn: asyncio.Semaphore) -> None:
        self._writer = writer
        self._audio = audio
        self._turn = turn
        self._gathered = bytearray()
        self._files = contextlib.ExitStack()
        self._sound: BinaryIO | None = None
        self._made: BinaryIO | None = None
        self._given_up = False

    @property
    def size(self) -> int:
        return self._writer.size

    async def write(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= BUFFER:
            await self._work(self._keep)

    async def commit(self, head: bytes = b"") -> None:
        """Raises `NotAvailable` too, where Vorbis can't be made here."""
        try:
            await self._work(self._keep)
            async with self._turn:
                await self._work(self._encode)
            while piece := await self._work(self._piece):
                await self._writer.write(piece)
            await self._writer.commit(head)
        finally:
            self._close()

    async def abort(self) -> None:
        self._close()
        await self._writer.abort()

    async def _work(self, work: Callable[[], T]) -> T:
        """Its result. Cancelled, this waits until the thread has let go."""
        future = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            self._given_up = True
            with contextlib.suppress(Exception):
                await settled(future)
            raise
        try:
            return future.result()
        except OSError as error:
            raise storage_error(error) from None

    def _keep(self) -> None:
        if self._sound is None:
            self._sound = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        gathered, self._gathered = self._gathered, bytearray()
        self._sound.write(gathered)

    def _encode(self) -> None:
        assert self._sound is not None
        self._made = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        vorbis.encode(self._sound, self._audio, self._made, self._check)
        self._made.seek(0)

    def _piece(self) -> bytes:
        assert self._made is not None
        return self._made.read(BUFFER)

    def _check(self) -> None:
        if self._given_up:
            raise _GivenUp

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # of a buffer that the disk has no room for
            self._files.close()
