"""Fields that jobs, files and webhooks have in common on the wire, and how a client reads an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from streamer.errors import InvalidMessage
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native.times import format_time
from streamer.resources import StoredFile

T = TypeVar("T")
Link = Callable[[StoredFile], str]
"""The address at which a file can be had."""

Limit = Annotated[int, Meta(ge=1, le=500)]
After = Annotated[str, Meta(min_length=1, max_length=64)]
Ttl = Annotated[float, Meta(gt=0, le=1e9)]
Url = Annotated[str, Meta(min_length=1, max_length=2048)]
Secret = Annotated[str, Meta(min_length=1, max_length=256)]


def time_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def read(body: bytes, shape: type[T], what: str) -> T:
    """An answer of a server. Raises `RemoteProtocolError`."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise RemoteProtocolError(InvalidMessage(f"not {what}"), fatal=True) from None
