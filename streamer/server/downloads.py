"""Bytes of files to clients: whole, in ranges (RFC 9110, 14), or by a link to where they are."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from streamer.errors import Gone, InvalidParameter
from streamer.files import check_content_type
from streamer.resources import StoredFile
from streamer.server.logs import CutShort

_RANGE = r"(?:\d{1,18}-\d{0,18}|-\d{1,18})"
"""A position of more digits is none: no file is so long, and reading it costs their square."""
_RANGES = re.compile(rf"bytes=\s*{_RANGE}(\s*,\s*{_RANGE})*", re.ASCII)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u202a-\u202e\u2066-\u2069]')
UNKNOWN_TYPE = "application/octet-stream"
ENDINGS = {
    "audio/aac": ".aac",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
}
"""Of what we make, whatever this machine's table of types says."""

_HEADERS = {
    "cache-control": "private",
    "content-security-policy": "sandbox; default-src 'none'",  # what it is was said by a client
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "cross-origin",  # a link may be played anywhere
}
_ALSO_OF_416 = ("x-request-id", "vary", "access-control-")


def content_type_of(header: str | None) -> str:
    """A content type that can be sent again; bytes of any kind where it is none."""
    try:
        return check_content_type((header or "").strip())
    except InvalidParameter:
        return UNKNOWN_TYPE


def name_of(file: StoredFile) -> str:
    """A name to save it under, that is no path and shows no tricks."""
    bare = _UNSAFE.sub("", file.name.replace("\\", "/").rpartition("/")[2]).strip(". ")[:100]
    return bare or file.id + ENDINGS.get(file.content_type.partition(";")[0].strip(), "")


class _Download(FileResponse):
    """starlette's, but that a Range that is none is ignored, and a file that has just gone cuts it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [(n, v) for n, v in self.raw_headers if n.decode().startswith(_ALSO_OF_416)]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 416:
                message["headers"] = [*message["headers"], *kept]
            await send(message)

        try:
            await super().__call__(_with_good_range(scope), receive, send_with_headers)
        except OSError:
            raise CutShort from None


def _with_good_range(scope: Scope) -> Scope:
    """Without a Range that RFC 9110 has ignored: not of GET, or not of this form."""
    asked = Headers(scope=scope).get("range", "")
    if scope["method"] == "GET" and _RANGES.fullmatch(asked) and not _reversed(asked):
        return scope
    return {**scope, "headers": [(n, v) for n, v in scope["headers"] if n.lower() != b"range"]}


def _reversed(asked: str) -> bool:
    pairs = re.findall(r"(\d+)-(\d+)", asked)
    return any(int(first) > int(last) for first, last in pairs)


async def download(file: StoredFile, place: Path | str) -> Response:
    """The answer that carries a file from where it is. Raises `Gone`."""
    if isinstance(place, str):
        return RedirectResponse(place, 307, _HEADERS)
    try:
        stat = await asyncio.to_thread(os.stat, place)
    except FileNotFoundError:
        raise Gone("this file has expired or been deleted", param="id") from None
    playable = file.content_type.startswith(("audio/", "video/"))
    return _Download(
        place,
        headers={**_HEADERS, "etag": f'"{file.id}"'},
        media_type=file.content_type,
        filename=name_of(file),
        stat_result=stat,
        content_disposition_type="inline" if playable else "attachment",
    )
