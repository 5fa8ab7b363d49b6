"""Bodies of HTTP requests: whole or piece by piece, each within its size and its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.requests import Request

from streamer.errors import IdleTimeout, MessageLimit, StreamerError
from streamer.server.meter import Meter
from streamer.server.speech import ClientGone

BODY_S = 30.0
"""A whole body is due within this time; of an upload, its next piece."""
UPLOAD_S = 600.0
"""An upload is due within this time, however steadily it drips."""
LINGER_S = 2.0
"""How long the rest of a body that is not wanted is heard out (RFC 9112, 9.6)."""


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises `MessageLimit`, `IdleTimeout`, or `ClientGone`."""
    body = bytearray()
    async with hearing_out(request):
        try:
            async with asyncio.timeout(BODY_S):
                async for piece in _pieces(request):
                    body += piece
                    if len(body) > limit:
                        raise MessageLimit(f"a body of more than {limit} bytes", limit=limit)
        except TimeoutError:
            raise _late() from None
    return bytes(body)


async def read_speech(request: Request, limit: int, meter: Meter) -> bytes:
    """The whole body of a request to speak. It holds a connection's place meanwhile, so that no more of them
    are held than may speak. Raises as `read_body`, and `ConnectionLimit` or `Draining`."""
    async with hearing_out(request):
        slot = meter.connect()
        try:
            return await read_body(request, limit)
        finally:
            slot.release()


async def stream_body(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes. Raises `IdleTimeout`, or `ClientGone`."""
    pieces = _pieces(request)
    deadline = asyncio.get_running_loop().time() + UPLOAD_S
    while True:
        try:
            async with asyncio.timeout_at(
                min(deadline, asyncio.get_running_loop().time() + BODY_S)
            ):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise _late() from None
        if piece is None:
            return
        yield piece


@asynccontextmanager
async def hearing_out(request: Request) -> AsyncIterator[None]:
    """Where the body is refused, hear its rest out for a while: a client that is still sending when we
    close never sees the answer."""
    try:
        yield
    except IdleTimeout:
        raise
    except StreamerError:
        with suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_S):
                async for _ in _pieces(request):
                    pass
        request.state.body_ended = True  # as far as we care
        raise


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    state = request.state
    while not getattr(state, "body_ended", False):
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        state.body_ended = not message.get("more_body", False)
        yield message.get("body", b"")


def _late() -> IdleTimeout:
    return IdleTimeout("the body did not come in time")
