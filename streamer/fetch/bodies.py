"""Bodies of answers, bounded in bytes and crumbs: whole, or as much as came in time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import httpcore

from streamer.errors import FetchFailed
from streamer.fetch.connector import HEAD_BYTES, Wire
from streamer.fetch.requests import CHUNK_BYTES, FREE_CHUNKS

BODY_S = 2.0
"""How long the body of an answer is waited for whose status is all that counts."""
CLOSE_S = 1.0
"""For closing its connection, where the body took all the time there was."""


def too_large(max_bytes: int, param: str) -> FetchFailed:
    return FetchFailed(
        f"more than {max_bytes} bytes", param=param, reason="too_large", limit=max_bytes
    )


def check_head(status: int, headers: Mapping[str, str], max_bytes: int, param: str) -> None:
    """Whether a body is worth reading. Raises `FetchFailed`."""
    if not 200 <= status < 300:
        raise FetchFailed(f"answered with {status}", param=param, reason="status", status=status)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise FetchFailed("answered compressed, unasked", param=param, reason="encoding")
    if int(headers.get("content-length", "0")) > max_bytes:
        raise too_large(max_bytes, param)


async def whole_body(response: httpcore.Response, wire: Wire, max_bytes: int, param: str) -> bytes:
    """Raises `FetchFailed` where there is more, or it comes in crumbs."""
    body = bytearray()
    if await _read(response, wire, max_bytes, body):
        raise too_large(max_bytes, param)
    return bytes(body)


async def beginning(
    response: httpcore.Response, wire: Wire, max_bytes: int, deadline: asyncio.Timeout
) -> bytes:
    """What comes of it within `BODY_S` and before `deadline`, however it ends: the answer has been given
    already. The deadline is then of the closing."""
    body = bytearray()
    end = asyncio.get_running_loop().time() + BODY_S
    if (when := deadline.when()) is not None:
        end = min(end, when)
    deadline.reschedule(end + CLOSE_S)
    with suppress(
        TimeoutError,
        FetchFailed,
        OSError,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.TimeoutException,
    ):
        async with asyncio.timeout_at(end):
            await _read(response, wire, max_bytes, body)
    return bytes(body[:max_bytes])


async def _read(response: httpcore.Response, wire: Wire, max_bytes: int, body: bytearray) -> bool:
    """Read it into `body`; whether there was more or it came in crumbs."""
    chunks, is_cut = 0, False
    wire.budget = HEAD_BYTES + 2 * max_bytes  # half of it may be the framing of chunks
    try:
        async for chunk in response.aiter_stream():
            if is_cut:
                continue
            chunks += 1
            body += chunk
            if len(body) > max_bytes or chunks > FREE_CHUNKS + len(body) // CHUNK_BYTES:
                is_cut = True
                wire.cut()
    except (httpcore.ReadError, httpcore.ProtocolError):
        if not is_cut:
            raise
    return is_cut
