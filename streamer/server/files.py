"""HTTP endpoints of files: give one as bytes, as a data URI or by its URL; see it, read it, delete it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import InvalidParameter, MessageLimit, UnsupportedParameter
from streamer.files import parse_data_uri
from streamer.protocols.native import files as wire
from streamer.protocols.strict import Schema
from streamer.resources import StoredFile
from streamer.server.bodies import hearing_out, read_body, stream_body
from streamer.server.downloads import content_type_of, download
from streamer.server.endpoint import NO_QUERY, json_answer, query_of
from streamer.server.meter import Meter
from streamer.server.places import Places
from streamer.server.service import Service
from streamer.voices.enroller import MOST_S, RATE

WIDE = 8
"""Uploads that are held in memory whole at once: references, data URIs, what a URL leads to. Others stream.
Beside these a request holds a JSON body of at most `max_body_bytes`, as at any address."""
WIDE_OF_KEY = 2
"""Of these, one key's: its slow URLs leave places to others."""
WIDE_WAIT_S = 30.0
"""How long a place is waited for; whoever holds one is done with a URL in `fetch_timeout_s`."""


class _ContentQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    expires: str | None = None
    signature: str | None = None


_UPLOAD: Schema[wire.UploadQuery] = Schema(wire.UploadQuery)
_LIST: Schema[wire.FilesQuery] = Schema(wire.FilesQuery)
_CONTENT: Schema[_ContentQuery] = Schema(_ContentQuery)


_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
"""What `curl -d` and a page's form send if nobody says otherwise: kept as it came, it would be junk."""


class FileEndpoints:
    """`/v1/files` and what is below it."""

    def __init__(self, service: Service) -> None:
        resources = service.resources
        self._limit = service.settings.max_file_bytes
        self._small = service.settings.max_body_bytes
        self._files = resources.files
        self._fetcher = resources.fetcher
        self._guard = resources.guard
        self._links = service.links
        self._wide = Places(WIDE, WIDE_OF_KEY, WIDE_WAIT_S)

    async def create(self, request: Request, meter: Meter) -> Response:
        async with hearing_out(request):
            slot = meter.connect()
            try:
                link = self._links.of(request)
                file = await self._received(request, meter)
            finally:
                slot.release()
        return json_answer(wire.encode_file(file, link), 201, {"location": f"/v1/files/{file.id}"})

    async def list(self, request: Request, meter: Meter) -> Response:
        query = query_of(request, _LIST)
        some = await self._files.list(meter.key.id, limit=query.limit + 1, after=query.after)
        page = some[: query.limit]
        after = page[-1].id if len(some) > len(page) else None
        return json_answer(wire.encode_files(page, self._links.of(request), after))

    async def get(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        file = await self._files.get(meter.key.id, request.path_params["id"])
        return json_answer(wire.encode_file(file, self._links.of(request)))

    async def content(self, request: Request, meter: Meter) -> Response:
        """The bytes: for the key that owns it, or for whoever has a signed link."""
        query, id = query_of(request, _CONTENT), request.path_params["id"]
        if query.signature is not None:
            file = await self._files.signed(id, query.expires or "", query.signature)
        elif query.expires is not None:
            raise InvalidParameter("expires goes with a signature", param="expires")
        else:
            file = await self._files.get(meter.key.id, id)
        return await download(file, await self._files.locate(file))

    async def delete(self, request: Request, meter: Meter) -> Response:
        query_of(request, NO_QUERY)
        await self._files.delete(meter.key.id, request.path_params["id"])
        return Response(status_code=204)

    async def _received(self, request: Request, meter: Meter) -> StoredFile:
        given = content_type_of(request.headers.get("content-type"))
        kind = given.partition(";")[0].strip().lower()
        if kind in _FORMS:
            raise UnsupportedParameter(
                "a form is no file: send the bytes with their own Content-Type, or application/json",
                param="content-type",
            )
        if kind != "application/json":
            return await self._raw(request, meter, given)
        query_of(request, NO_QUERY)
        if 0 < _length(request) <= self._small:
            wanted = await self._wanted(request, self._small)
            async with self._wide.place(meter.key.id):
                return await self._described(wanted, meter)
        async with self._wide.place(meter.key.id):
            wanted = await self._wanted(request, self._limit * 4 // 3 + self._small)
            return await self._described(wanted, meter)

    async def _raw(self, request: Request, meter: Meter, content_type: str) -> StoredFile:
        query = query_of(request, _UPLOAD)
        if query.purpose == "reference":
            async with self._wide.place(meter.key.id):
                data = await read_body(request, self._limit)
                return await self._kept(query, meter, data, content_type)
        if _length(request) > self._limit:
            raise MessageLimit(f"a file of more than {self._limit} bytes", limit=self._limit)
        return await self._kept(query, meter, stream_body(request), content_type)

    async def _wanted(self, request: Request, limit: int) -> wire.UploadRequest:
        return await asyncio.to_thread(wire.decode_upload, await read_body(request, limit))

    async def _described(self, wanted: wire.UploadRequest, meter: Meter) -> StoredFile:
        if wanted.data is not None:
            return await self._inline(wanted, meter)
        return await self._fetched(wanted, meter)

    async def _inline(self, wanted: wire.UploadRequest, meter: Meter) -> StoredFile:
        assert wanted.data is not None
        content_type, data = await asyncio.to_thread(parse_data_uri, wanted.data)
        return await self._kept(replace(wanted, data=None), meter, data, content_type)

    async def _fetched(self, wanted: wire.UploadRequest, meter: Meter) -> StoredFile:
        assert wanted.url is not None
        answer = await self._fetcher.get(wanted.url, max_bytes=self._limit, param="url")
        wanted = replace(wanted, name=wanted.name or _last_part(wanted.url))
        content_type = content_type_of(answer.headers.get("content-type"))
        return await self._kept(wanted, meter, answer.body, content_type)

    async def _kept(
        self,
        wanted: wire.UploadQuery | wire.UploadRequest,
        meter: Meter,
        data: bytes | AsyncIterator[bytes],
        content_type: str,
    ) -> StoredFile:
        duration_ms: float | None = None
        if wanted.purpose == "reference":
            assert isinstance(data, bytes)
            sound = await self._guard.decode(data, sample_rate=RATE, max_s=MOST_S)
            duration_ms = len(sound) * 1000 / RATE
        return await self._files.upload(
            meter.key.id,
            data,
            content_type=content_type,
            name=wanted.name or "",
            purpose=wanted.purpose or "upload",
            ttl_s=wanted.ttl_s,
            duration_ms=duration_ms,
        )


def _length(request: Request) -> int:
    """Bytes of the body as announced; 0 where it is not."""
    announced = request.headers.get("content-length", "")
    return int(announced) if announced.isascii() and announced.isdigit() else 0


def _last_part(url: str) -> str:
    """The name at the end of a URL's path."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return "".join(letter for letter in name if letter.isprintable())[:255]
