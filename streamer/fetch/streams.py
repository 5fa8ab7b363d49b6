"""An answer whose body is read as it comes, and connections to trusted hosts that are kept for the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import TYPE_CHECKING, Protocol

import httpcore

from streamer.errors import FetchFailed
from streamer.fetch.connector import HEAD_BYTES, Connector, Wire
from streamer.fetch.requests import (
    CHUNK_BYTES,
    FREE_CHUNKS,
    headers_of,
    request_of,
    typed_errors,
)
from streamer.fetch.urls import origin_of

if TYPE_CHECKING:
    import httpx

KEPT = 4
"""Idle connections of one origin."""
KEPT_S = 30.0
"""An idle connection that is older than this is not used again: some of those on the way forget it."""
CROSSING_S = 1.0
"""A kept connection that ends sooner than this was closed as it was taken up: nobody has read what was
sent. Later, somebody may have done it, and be paid for it."""

Origin = tuple[str, bytes, int]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until the headers of an answer are there (connecting counts, and what redirects), and
    between two pieces of its body."""

    first_s: float
    gap_s: float


class Stream:
    """An answer. `headers` by their names in lower case; `url` is where it comes from, after redirects.
    `redirected`: to what is got elsewhere, not by a 307 or 308, which ask for the same again.

    Its body may be read once, within `max_bytes`.
    """

    def __init__(
        self, response: httpcore.Response, wire: Wire, url: str, gap_s: float, param: str
    ) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = headers_of(response)
        self.url = url
        self.redirected = False
        self.max_bytes = 0
        self.whole = False
        """Whether the body has been read to its end."""
        self._response = response
        self._wire = wire
        self._gap_s = gap_s
        self._param = param

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, none of it empty. Raises `FetchFailed`."""
        self._wire.budget = (
            HEAD_BYTES + 2 * self.max_bytes
        )  # half of it may be the framing of chunks
        body = self._response.aiter_stream()
        count = size = 0
        while True:
            with typed_errors(self._param):
                async with asyncio.timeout(self._gap_s):
                    chunk = await anext(body, None)
            if chunk is None:
                self.whole = True
                return
            count += 1
            size += len(chunk)
            if size > self.max_bytes or count > FREE_CHUNKS + size // CHUNK_BYTES:
                raise FetchFailed(
                    f"more than {self.max_bytes} bytes, or in crumbs",
                    param=self._param,
                    reason="too_large",
                    limit=self.max_bytes,
                )
            if chunk:
                yield chunk

    async def read(self, max_bytes: int | None = None) -> bytes:
        """The whole body. Raises `FetchFailed`."""
        if max_bytes is not None:
            self.max_bytes = min(self.max_bytes, max_bytes)
        async with aclosing(self.chunks()) as chunks:
            return b"".join([chunk async for chunk in chunks])


class Connect(Protocol):
    """Makes a connector for one connection."""

    def __call__(self, patience_s: float, param: str, *, trusted: bool) -> Connector: ...


@dataclass(frozen=True, slots=True)
class _Link:
    """A connection that is or was open. `used`: it has served a request before."""

    connection: httpcore.AsyncHTTPConnection
    connector: Connector
    since: float = 0.0
    used: bool = False


class Streams:
    """Opens answers, and keeps connections to trusted origins for the next: another TLS handshake would
    cost the first sound of an utterance three times the way there and back."""

    def __init__(
        self, connect: Connect, certificates: Callable[[httpx.URL], Awaitable[SSLContext | None]]
    ) -> None:
        self._connect = connect
        self._certificates = certificates
        self._kept: dict[Origin, list[_Link]] = {}
        self._closed = False

    @property
    def kept(self) -> int:
        """Idle connections."""
        return sum(map(len, self._kept.values()))

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None,
        body: bytes,
        trusted: bool,
        patience: Patience,
        param: str,
        leaves: Callable[[], None] | None = None,
    ) -> AsyncIterator[Stream]:
        """One answer, redirects too. The connection is kept or closed however this ends."""
        request = request_of(method, url, headers, body, keep=trusted, leaves=leaves)
        link: _Link | None = None
        response: httpcore.Response | None = None
        stream: Stream | None = None
        try:
            with typed_errors(param):
                async with asyncio.timeout(patience.first_s):
                    while response is None:
                        link = await self._link(url, trusted, patience.first_s, param)
                        sent_at = time.monotonic()
                        try:
                            response = await link.connection.handle_async_request(request)
                        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                            waited = time.monotonic() - sent_at
                            if not link.used or (method != "GET" and waited > CROSSING_S):
                                raise
                            await link.connector.aclose()
            assert link is not None
            assert link.connector.wire is not None
            stream = Stream(response, link.connector.wire, str(url), patience.gap_s, param)
            yield stream
        finally:
            kept = False
            try:
                if trusted and link and response and stream and stream.whole:
                    await response.aclose()
                    kept = self._keep(origin_of(url), link)
            finally:
                if link is not None and not kept:
                    await link.connector.aclose()

    async def aclose(self) -> None:
        """Close what is idle; what is under way is closed with its request."""
        self._closed = True
        links = [link for links in self._kept.values() for link in links]
        self._kept.clear()
        for link in links:
            await link.connector.aclose()

    async def _link(self, url: httpx.URL, trusted: bool, patience_s: float, param: str) -> _Link:
        """The connection that was kept last, or a new one."""
        kept = self._kept.get(origin_of(url), []) if trusted else []
        while kept:
            link = kept.pop()
            fresh = time.monotonic() - link.since < KEPT_S
            if fresh and link.connection.is_idle() and not link.connection.has_expired():
                assert link.connector.wire is not None
                link.connector.wire.budget = HEAD_BYTES
                return link
            await link.connector.aclose()
        connector = self._connect(patience_s, param, trusted=trusted)
        connection = httpcore.AsyncHTTPConnection(
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=origin_of(url)[2], target=b"/"
            ).origin,
            ssl_context=await self._certificates(url),
            network_backend=connector,
        )
        return _Link(connection, connector)

    def _keep(self, origin: Origin, link: _Link) -> bool:
        """Keep it for the next request, if it may be."""
        kept = self._kept.setdefault(origin, [])
        if self._closed or len(kept) >= KEPT or not link.connection.is_idle():
            return False
        kept.append(_Link(link.connection, link.connector, time.monotonic(), used=True))
        return True
