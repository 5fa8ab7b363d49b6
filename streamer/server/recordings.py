"""Recordings to speak like, as clients give them: as bytes, in a data URI, by an address, by a file's id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streamer.errors import Gone, InvalidMedia, MessageLimit, NotFound, StreamerError
from streamer.files import parse_data_uri
from streamer.resources import StoredFile
from streamer.server.service import Service
from streamer.types import Reference
from streamer.voices.enroller import MOST_S, RATE

AT_ONCE = 8
"""Recordings of a hosted API's tasks that are held in memory at once."""


class Recordings:
    """Of one service. Whatever is not our own is fetched by the fetcher and decoded by the guard."""

    def __init__(self, service: Service) -> None:
        self._limit = service.settings.max_file_bytes
        self._files = service.resources.files
        self._fetcher = service.resources.fetcher
        self._guard = service.resources.guard
        self.turns = asyncio.Semaphore(AT_ONCE)
        """Of those who hold a recording in memory."""

    async def decoded(self, data: bytes, transcript: str = "") -> Reference:
        """Raises `InvalidMedia` for what is no sound, or too much of it, `MessageLimit`."""
        if len(data) > self._limit:
            raise MessageLimit(f"a recording of more than {self._limit} bytes", limit=self._limit)
        samples = await self._guard.decode(data, sample_rate=RATE, max_s=MOST_S)
        if not len(samples):
            raise InvalidMedia("there is no sound in it")
        return Reference(samples, RATE, transcript.strip())

    async def given(
        self, read: Callable[[], Awaitable[bytes]], transcript: str = "", *, param: str
    ) -> Reference:
        """What `read` brings, decoded: few at once. What is wrong with it is wrong with `param`."""
        try:
            async with self.turns:
                return await self.decoded(await read(), transcript)
        except StreamerError as error:
            if error.status < 500:
                error.param = param
            raise

    async def inline(self, data: str) -> bytes:
        """Of a data URI. Raises `InvalidParameter`."""
        _, found = await asyncio.to_thread(parse_data_uri, data)
        return found

    async def fetched(self, url: str, *, param: str = "url") -> bytes:
        """Raises `UrlNotAllowed`, `FetchFailed`."""
        return (await self._fetcher.get(url, max_bytes=self._limit, param=param)).body

    async def of_file(self, key: str, id: str, *, param: str = "file") -> bytes:
        """Of a file of this key. Raises `NotFound`, `Gone`, `FetchFailed`."""
        try:
            return await self.read(await self._files.get(key, id))
        except (NotFound, Gone) as error:
            error.param = param
            raise

    async def read(self, file: StoredFile) -> bytes:
        """The bytes of a file. Raises `Gone`, `FetchFailed`."""
        path = await self._files.locate(file)
        if isinstance(path, str):
            return (await self._fetcher.get(path, max_bytes=max(1, file.size))).body
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:  # deleted this very moment
            raise Gone("the file has expired or been deleted", param="id") from None
