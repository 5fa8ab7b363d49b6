"""Recordings that clients give: kept for later, or fetched for one task. All of them must be sound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from streamer.errors import NotFound, StreamerError
from streamer.files import parse_data_uri
from streamer.protocols.runware.identities import file_id, is_uuid
from streamer.resources import StoredFile
from streamer.server.downloads import content_type_of
from streamer.server.recordings import Recordings
from streamer.server.service import Service
from streamer.types import Reference


class Media:
    """What is given as a URL, a data URI, base64 or the UUID of what is here."""

    def __init__(self, service: Service) -> None:
        self._limit = service.settings.max_file_bytes
        self._files = service.resources.files
        self._fetcher = service.resources.fetcher
        self._recordings = Recordings(service)

    async def keep(self, key: str, media: str) -> StoredFile:
        """Upload it. Raises what is wrong with it, with `param` "media"."""
        with _named("media"):
            async with self._recordings.turns:
                if media.startswith(("http://", "https://")):
                    content_type, data = await self._fetched(media)
                else:
                    uri = media if media[:5].lower() == "data:" else _uri(media)
                    content_type, data = await asyncio.to_thread(parse_data_uri, uri, "media")
                sound = await self._recordings.decoded(data)
                duration_ms = len(sound.samples) * 1000 / sound.sample_rate
                return await self._files.upload(
                    key,
                    data,
                    content_type=content_type,
                    purpose="reference",
                    duration_ms=duration_ms,
                )

    async def delete(self, key: str, media: str) -> None:
        """Raises `NotFound` or `Gone`, with `param` "media"."""
        with _named("media"):
            await self._files.delete(key, _file_of(media))

    async def reference(self, key: str, reference: str, transcript: str = "") -> Reference:
        """A recording to speak like. Raises what is wrong with it, with `param` "inputs.audio"."""

        async def read() -> bytes:
            if is_uuid(reference):
                return await self._recordings.read(await self._files.get(key, _file_of(reference)))
            return await self._recordings.fetched(reference)

        return await self._recordings.given(read, transcript, param="inputs.audio")

    async def read(self, file: StoredFile) -> bytes:
        """The bytes of a file. Raises `Gone`, `FetchFailed`."""
        return await self._recordings.read(file)

    async def _fetched(self, url: str) -> tuple[str, bytes]:
        answer = await self._fetcher.get(url, max_bytes=self._limit)
        return content_type_of(answer.headers.get("content-type")), answer.body


def _uri(text: str) -> str:
    return "data:application/octet-stream;base64," + text


def _file_of(media: str) -> str:
    id = file_id(media)
    if id is None:
        raise NotFound("no such media")
    return id


@contextmanager
def _named(param: str) -> Iterator[None]:
    """What is wrong within is wrong with the field of this name."""
    try:
        yield
    except StreamerError as error:
        if error.status < 500 and error.code != "file_quota":
            error.param = param
        raise
