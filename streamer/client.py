"""The Python client: `connect`, then `speak`, or `start` a context and push text into it.

A thin shell of asyncio and websockets around `protocols.native.Client`. Errors off the wire are raised
as `streamer.errors`; a connection that can't be made or is lost without a word is an `OSError`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from ssl import SSLContext
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from streamer.errors import ContextConflict, InvalidParameter, StreamerError
from streamer.listening import BUFFER_BYTES, Context
from streamer.protocols import native
from streamer.protocols.base import RemoteProtocolError
from streamer.types import (
    AudioFormat,
    Cancel,
    Command,
    Event,
    Failed,
    Idle,
    OptionsUpdate,
    Ready,
    Resumed,
    Start,
)

__all__ = ["Client", "Context", "connect"]

STREAM_PATH = "/v1/stream"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Far over any packet a server sends: a bound against one that is not what it seems."""

_OPTIONS = frozenset(field.name for field in fields(OptionsUpdate))


@asynccontextmanager
async def connect(
    url: str,
    key: str | None = None,
    *,
    ssl: SSLContext | None = None,
    open_timeout: float = 10.0,
    buffer_bytes: int = BUFFER_BYTES,
    **defaults: Any,
) -> AsyncGenerator[Client]:
    """A connection to a server, closed at the end of the block.

    `url`: ws, wss, http or https; without a path `/v1/stream`. `key`: or in the URL as `#key=...`, which is
    never sent in it. `buffer_bytes`: how much of one context may wait to be read. `defaults`: options
    of every context, as in `Client.start`. Raises the server's refusal as its typed error, `OSError`
    where nothing answers, `InvalidParameter` for a bad `url` or `key`.
    """
    address, found = _address(url)
    protocol = native.Client()
    socket = await _open(address, key or found, ssl, open_timeout)
    try:
        async with asyncio.timeout(open_timeout):
            ready = await _ready(socket, protocol)
        client = Client(socket, protocol, ready, buffer_bytes, defaults)
    except BaseException:
        await socket.close()
        raise
    try:
        yield client
    finally:
        await client.aclose()


class Client:
    """An open connection. `ready` says what the server greeted with; contexts run side by side."""

    def __init__(
        self,
        socket: ClientConnection,
        protocol: native.Client,
        ready: Ready,
        buffer_bytes: int,
        defaults: Mapping[str, Any],
    ) -> None:
        self.ready = ready
        self._socket = socket
        self._protocol = protocol
        self._buffer_bytes = buffer_bytes
        self._defaults = dict(defaults)
        self._ids = itertools.count(1)
        self._contexts: dict[str, Context] = {}
        self._fault: StreamerError | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = asyncio.create_task(self._read())

    async def start(self, start: Start | None = None, /, **options: Any) -> Context:
        """Open a context; what the server says of it comes out of iterating it.

        Options are the fields of `OptionsUpdate` (voice, model, language, instructions, speed, pitch,
        volume, seed) and of `Start` (audio, timestamps, lead_ms, cut, lexicon, strict, trace); `audio` is
        an `AudioFormat` or the name of a codec. Or pass a whole `Start`, and nothing beside it.
        """
        if start is None:
            start = _start(f"c{next(self._ids)}", {**self._defaults, **options})
        elif options:
            raise TypeError("start() takes a Start or options, not both")
        if start.context in self._contexts:
            raise ContextConflict(f"context {start.context!r} is open", param="context")
        context = Context(start.context, self._send, self._abandon, self._buffer_bytes)
        self._contexts[start.context] = context
        try:
            await self._send(start)
        except asyncio.CancelledError:
            self._abandon(context)  # it may be out all the same
            raise
        except BaseException:
            self._contexts.pop(start.context, None)  # the reader may have seen the end first
            raise
        return context

    async def speak(self, text: str | AsyncIterable[str], **options: Any) -> AsyncGenerator[Event]:
        """Speak a text, or pieces of it as they come (from a language model, say), and yield what comes
        back, `Done` last. Leaving the iteration cancels; an error of the iterable is raised here."""
        context = await self.start(**options)
        feeder = asyncio.create_task(self._feed(context, text))
        try:
            async for event in context:
                yield event
        finally:
            self._abandon(context)
            feeder.cancel()
            await asyncio.wait([feeder])

    async def aclose(self) -> None:
        """Close the connection. Contexts still open fail with `ConnectionError`."""
        try:
            await self._socket.close()
        finally:
            tasks = [self._reader, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _feed(self, context: Context, text: str | AsyncIterable[str]) -> None:
        try:
            if isinstance(text, str):
                await context.push(text)
            else:
                async for piece in text:
                    await context.push(piece)
            await context.end()
        except Exception as error:
            # Also what the context itself failed with: then this changes nothing.
            if not context.over:
                context.fail(error)
                self._forget(context)

    async def _send(self, command: Command) -> None:
        """Raises what the connection ended with."""
        try:
            for message in self._protocol.send(command):
                await self._socket.send(message)
        except ConnectionClosed:
            raise self._lost() from None

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                for event in self._protocol.receive(message):
                    self._tell(event)
        except ConnectionClosed:
            pass
        except RemoteProtocolError as refused:
            self._fault = refused.error
            await self._socket.close(1002, refused.error.code)
        finally:
            lost = self._lost()
            for context in self._contexts.values():
                context.fail(lost)
            self._contexts.clear()

    def _tell(self, event: Event) -> None:
        """An event of a context that is no more (it was cancelled meanwhile) is dropped."""
        if isinstance(event, Ready | Resumed | Idle):
            return
        if event.context is None:
            assert isinstance(event, Failed)
            self._fault = event.error
        elif context := self._contexts.get(event.context):
            context.take(event)
            if context.over:
                del self._contexts[event.context]
                if context.overflowed:
                    self._spawn(self._send(Cancel(context.id)))

    def _abandon(self, context: Context) -> None:
        """Nobody listens any more: cancel it without waiting for an answer."""
        if not context.over:
            context.fail(None)
            self._forget(context)

    def _forget(self, context: Context) -> None:
        if self._contexts.pop(context.id, None) is not None:
            self._spawn(self._send(Cancel(context.id)))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        async def quietly() -> None:
            with suppress(StreamerError, OSError):
                await work

        task = asyncio.create_task(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self) -> Exception:
        """Why nothing more can be sent or heard."""
        if self._fault is not None:
            return self._fault
        code, reason = self._socket.close_code, self._socket.close_reason
        error = native.error_of_close(code or 1006, reason or "")
        return error or ConnectionError(f"the connection is closed ({code} {reason or ''})".strip())


async def _open(
    address: str, key: str | None, ssl: SSLContext | None, open_timeout: float
) -> ClientConnection:
    if key is not None and not (key.isascii() and key.isprintable()):
        raise InvalidParameter("a key is printable ASCII", param="key")
    more: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
    try:
        return await connect_websocket(
            address,
            subprotocols=[Subprotocol(native.SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {key}"} if key else None,
            compression=None,
            open_timeout=open_timeout,
            close_timeout=5,
            max_size=MAX_MESSAGE_BYTES,
            **more,
        )
    except InvalidStatus as refused:
        response = refused.response
        raise native.decode_error(response.status_code, bytes(response.body or b"")) from None
    except InvalidHandshake as error:
        raise ConnectionError(f"no WebSocket at {address}: {error}") from error


async def _ready(socket: ClientConnection, protocol: native.Client) -> Ready:
    try:
        while True:
            for event in protocol.receive(await socket.recv()):
                if isinstance(event, Ready):
                    return event
                if isinstance(event, Failed):
                    raise event.error
    except RemoteProtocolError as refused:
        raise refused.error from None
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        error = native.error_of_close(code, reason)
        raise error or ConnectionError(f"the server hung up ({code} {reason})".strip()) from None


def _address(url: str) -> tuple[str, str | None]:
    """The WebSocket's URL, and the key in the fragment if there is one."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # looked at only now
    except ValueError as error:
        raise InvalidParameter(f"url: {error}", param="url") from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise InvalidParameter("url is ws://, wss://, http:// or https:// and a host", param="url")
    path = STREAM_PATH if parts.path in ("", "/") else parts.path
    key = parse_qs(parts.fragment).get("key", [None])[0]
    return urlunsplit((scheme, parts.netloc, path, parts.query, "")), key


def _start(context: str, options: Mapping[str, Any]) -> Start:
    """`TypeError` for an option there isn't."""
    spoken = {name: value for name, value in options.items() if name in _OPTIONS}
    rest = {name: value for name, value in options.items() if name not in _OPTIONS}
    if isinstance(rest.get("audio"), str):
        rest["audio"] = AudioFormat(rest["audio"])
    return Start(context, OptionsUpdate(**spoken), **rest)
