"""A WebSocket to a server: its address, the handshake, and what is said first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from streamer.client.trust import refusal
from streamer.errors import InvalidParameter, StreamerError
from streamer.protocols import native
from streamer.protocols.base import RemoteProtocolError
from streamer.types import Failed, Ready, Resumed

STREAM_PATH = "/v1/stream"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Far over any packet a server sends: a bound against one that is not what it seems."""
ABNORMAL = 1006
"""RFC 6455, 7.1.5: closed without a close frame."""
PING_S = 5.0
"""A silent server is pinged. One whose host or network has gone says nothing ever, and TCP finds out late."""
PONG_S = 10.0
"""It has gone if nothing comes for so long: with the above well before it stops waiting for a lost client."""

Greeting = TypeVar("Greeting", Ready, Resumed)


@dataclass(frozen=True, slots=True)
class Dial:
    """Where a server is and how it is spoken to. `address` as `address_of` has it; `open_timeout` in
    seconds."""

    address: str
    key: str | None
    ssl: SSLContext | None
    open_timeout: float

    def __post_init__(self) -> None:
        check_header(self.key, "key")

    async def __call__(self) -> ClientConnection:
        """An open socket. Raises the server's refusal as its typed error, else `OSError`."""
        more: dict[str, Any] = {} if self.ssl is None else {"ssl": self.ssl}
        try:
            return await connect_websocket(
                self.address,
                subprotocols=[Subprotocol(native.SUBPROTOCOL)],
                additional_headers={"Authorization": f"Bearer {self.key}"} if self.key else None,
                compression=None,
                open_timeout=self.open_timeout,
                close_timeout=5,
                ping_interval=None,
                max_size=MAX_MESSAGE_BYTES,
                **more,
            )
        except InvalidStatus as refused:
            response = refused.response
            raise native.decode_error(response.status_code, bytes(response.body or b"")) from None
        except InvalidHandshake as error:
            raise ConnectionError(f"no WebSocket at {self.address}: {error}") from error
        except OSError as error:
            raise refusal(error) or error from None


def check_header(value: str | None, param: str) -> None:
    """Raises `InvalidParameter` for what can't travel in a header."""
    if value is not None and not (value.isascii() and value.isprintable()):
        raise InvalidParameter(f"{param} has to be printable ASCII", param=param)


def address_of(url: str, *, resume: bool) -> tuple[str, str | None]:
    """The WebSocket's URL, and the key in the fragment if there is one. Raises `InvalidParameter`."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only now
    except ValueError as error:
        raise InvalidParameter(f"url: {error}", param="url") from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise InvalidParameter("url is ws://, wss://, http:// or https:// and a host", param="url")
    path = STREAM_PATH if parts.path in ("", "/") else parts.path
    query = parts.query
    if resume and "resume" not in parse_qs(query):
        query = "&".join(filter(None, (query, urlencode({"resume": 1}))))
    key = parse_qs(parts.fragment).get("key", [None])[0]
    return urlunsplit((scheme, parts.netloc, path, query, "")), key


async def first(
    socket: ClientConnection, protocol: native.Client, kind: type[Greeting]
) -> Greeting:
    """The first event of a kind. Raises the error that comes instead."""
    try:
        while True:
            for event in protocol.receive(await socket.recv()):
                if isinstance(event, kind):
                    return event
                if isinstance(event, Failed) and event.context is None:
                    raise event.error
    except RemoteProtocolError as refused:
        raise refused.error from None
    except ConnectionClosed:
        raise why_closed(socket) from None


async def watch(socket: ClientConnection, messages: Callable[[], int]) -> None:
    """Hang up when nothing comes any more, not even the answer to a ping. What has come counts, `messages`,
    not when it was read: a program that did something else for long finds all of it at once."""
    while True:
        before = messages()
        await asyncio.sleep(PING_S)
        if messages() == before:
            pinging = asyncio.create_task(_pinged(socket))
            try:
                await asyncio.wait([pinging], timeout=PONG_S)
                if not pinging.done() and messages() == before:
                    return socket.transport.abort()
            finally:
                pinging.cancel()


async def _pinged(socket: ClientConnection) -> None:
    """A ping has been answered, or the socket is closed."""
    with suppress(ConnectionClosed):
        await (await socket.ping())


def why_closed(socket: ClientConnection) -> StreamerError | ConnectionError:
    """What a closed socket means."""
    code, reason = socket.close_code or ABNORMAL, socket.close_reason or ""
    told = native.error_of_close(code, reason)
    return told or ConnectionError(f"the connection is closed ({code} {reason})".strip())
