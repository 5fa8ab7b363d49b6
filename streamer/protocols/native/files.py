"""Files on the wire, both roles: uploads and what is told of a file. Knows no web framework."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from streamer.errors import InvalidParameter
from streamer.protocols.native import messages as wire
from streamer.protocols.native.fields import After, Limit, Link, Ttl, Url, read, time_or_none
from streamer.protocols.native.times import format_time
from streamer.protocols.strict import Schema
from streamer.resources import StoredFile

Purpose = Literal["upload", "reference"]
FileName = Annotated[str, Meta(max_length=255)]


class UploadQuery(wire.Strict, kw_only=True):
    """The query of an upload whose body is the file itself."""

    name: FileName | None = None
    purpose: Purpose | None = None
    ttl_s: Ttl | None = None


class _Upload(UploadQuery, kw_only=True):
    data: Annotated[str, Meta(min_length=1)] | None = None
    url: Url | None = None


class FilesQuery(wire.Strict, kw_only=True):
    """The query of a list of files."""

    limit: Limit = 100
    after: After | None = None


_UPLOAD: Schema[_Upload] = Schema(_Upload)


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file by a data URI or by its address, one of both."""

    data: str | None = None
    url: str | None = None
    name: str = ""
    purpose: Purpose = "upload"
    ttl_s: float | None = None


def decode_upload(body: bytes) -> UploadRequest:
    """A JSON body. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
    message = _UPLOAD.decode(body)
    if (message.data is None) == (message.url is None):
        raise InvalidParameter("a file is given by `data` or by `url`", param="data")
    return UploadRequest(
        message.data,
        message.url,
        message.name or "",
        message.purpose or "upload",
        message.ttl_s,
    )


def encode_upload(request: UploadRequest) -> bytes:
    """The body that asks for it."""
    message = _Upload(
        data=request.data,
        url=request.url,
        name=request.name or None,
        purpose=None if request.purpose == "upload" else request.purpose,
        ttl_s=request.ttl_s,
    )
    return msgspec.json.encode(message)


class FileAnswer(Struct, kw_only=True, frozen=True):
    """A file as its client sees it. Times are ISO 8601, UTC; whoever has `url` can read it."""

    id: str
    purpose: str
    content_type: str
    size: int
    name: str = ""
    created_at: str
    expires_at: str | None = None
    duration_ms: float | None = None
    url: str = ""


class _Files(Struct, kw_only=True):
    files: tuple[FileAnswer, ...]
    next: str | None = None


def file_answer(file: StoredFile, link: Link) -> FileAnswer:
    """What is told of a file."""
    return FileAnswer(
        id=file.id,
        purpose=file.purpose,
        content_type=file.content_type,
        size=file.size,
        name=file.name,
        created_at=format_time(file.created),
        expires_at=time_or_none(file.expires),
        duration_ms=None if file.duration_ms is None else round(file.duration_ms, 3),
        url=link(file),
    )


def encode_file(file: StoredFile, link: Link) -> bytes:
    """The body that tells of one file."""
    return msgspec.json.encode(file_answer(file, link))


def decode_file(body: bytes) -> FileAnswer:
    """Raises `RemoteProtocolError` for what is no file."""
    return read(body, FileAnswer, "a file")


def encode_files(files: Sequence[StoredFile], link: Link, next: str | None = None) -> bytes:
    """One page of a list; `next` is where the following one begins, None after the last."""
    listed = tuple(file_answer(file, link) for file in files)
    return msgspec.json.encode(_Files(files=listed, next=next))


def decode_files(body: bytes) -> tuple[tuple[FileAnswer, ...], str | None]:
    """Raises `RemoteProtocolError` for what is no list of files."""
    page = read(body, _Files, "a list of files")
    return page.files, page.next


def data_uri(content_type: str, data: bytes) -> str:
    """What a client puts into `data` (RFC 2397)."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"
