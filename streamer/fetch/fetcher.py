"""Requests to foreign URLs, whole or as a stream: redirects checked anew, bounded in time and bytes."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import httpcore

from streamer.errors import FetchFailed
from streamer.fetch.addresses import Allow
from streamer.fetch.bodies import beginning, check_head, whole_body
from streamer.fetch.connector import Connector, Resolve, Resolver, Wire
from streamer.fetch.requests import (
    headers_of,
    request_of,
    trusted_certificates,
    typed_errors,
)
from streamer.fetch.streams import Patience, Stream, Streams
from streamer.fetch.urls import (
    check_url,
    joined,
    origin_of,
    read_url,
    redirected,
    trusted_url,
)

if TYPE_CHECKING:
    import httpx

REDIRECTS = 5
REDIRECTING = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` by their names in lower case; `url` is where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Fetcher:
    """Gets and posts, each within its time and size, wherever its URL leads.

    `allow` as for `Allow.parse`. `resolve`, `connect` (what opens TCP to a numeric address) and `tls`
    (the trusted certificates; else certifi's and the system's) are for tests and private authorities.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        ports: Collection[int] = (80, 443),
        timeout_s: float = 20.0,
        resolve: Resolve | None = None,
        connect: httpcore.AsyncNetworkBackend | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = Allow.parse(allow)
        self._ports = frozenset(ports)
        self._timeout_s = timeout_s
        self._resolver = Resolver()
        self._resolve = resolve or self._resolver
        self._backend = connect or httpcore.AnyIOBackend()
        self._tls = tls
        self._streams = Streams(self._connector, self._certificates)

    def check(self, url: str, *, param: str = "url") -> None:
        """As `check_url`."""
        check_url(url, allow=self._allow, ports=self._ports, param=param)

    async def get(
        self,
        url: str,
        *,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        param: str = "url",
        timeout_s: float | None = None,
    ) -> Answer:
        """What is there, after at most 5 redirects, each checked like the URL itself; `headers` go to
        its own origin only. Raises `UrlNotAllowed`, `FetchFailed` (also for a status that is not 2xx)."""
        async with self._bounded(timeout_s, param) as (patience_s, _):
            wanted = self._read(url, param)
            for _ in range(REDIRECTS + 1):
                async with self._sent("GET", wanted, headers, b"", patience_s, param) as sent:
                    response, wire = sent
                    answered = headers_of(response)
                    if response.status not in REDIRECTING:
                        check_head(response.status, answered, max_bytes, param)
                        body = await whole_body(response, wire, max_bytes, param)
                        return Answer(response.status, answered, body, str(wanted))
                then = self._next(wanted, answered.get("location"), response.status, param)
                if origin_of(then) != origin_of(wanted):
                    headers = None
                wanted = then
            raise FetchFailed("too many redirects", param=param, reason="redirects")

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        max_bytes: int = 65536,
        param: str = "url",
        timeout_s: float | None = None,
    ) -> Answer:
        """Any status is an answer, a redirect too. Its body is as much as came of it, up to `max_bytes`
        and within 2 s (nothing is decompressed). Raises `UrlNotAllowed`, `FetchFailed`."""
        return await self._given("POST", url, body, headers, max_bytes, param, timeout_s)

    async def put(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        max_bytes: int = 65536,
        param: str = "url",
        timeout_s: float | None = None,
    ) -> Answer:
        """As `post`."""
        return await self._given("PUT", url, body, headers, max_bytes, param, timeout_s)

    async def _given(
        self,
        method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        max_bytes: int,
        param: str,
        timeout_s: float | None,
    ) -> Answer:
        async with self._bounded(timeout_s, param) as (patience_s, deadline):
            wanted = self._read(url, param)
            async with self._sent(method, wanted, headers, body, patience_s, param) as sent:
                response, wire = sent
                answered = await beginning(response, wire, max_bytes, deadline)
                return Answer(response.status, headers_of(response), answered, str(wanted))

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        trusted: bool = False,
        max_bytes: int,
        patience: Patience,
        param: str = "url",
        leaves: Callable[[], None] | None = None,
    ) -> AsyncIterator[Stream]:
        """An answer whose body is read as it comes, whatever its status, after at most 5 redirects.

        A `trusted` URL is one of the settings': it may be private and on any port, and its connection is
        kept for the next request. A redirect to another origin is checked as foreign, is a GET, and gets
        no `headers`. `leaves` is called when the request is about to be sent: until then nobody knows of
        it. Leaving the block frees the connection at once. Raises `UrlNotAllowed`, `FetchFailed`, also
        while the body is read.
        """
        wanted = trusted_url(url, param) if trusted else self._read(url, param)
        until = time.monotonic() + patience.first_s
        as_asked = True
        for _ in range(REDIRECTS + 1):
            left = replace(patience, first_s=until - time.monotonic())
            if left.first_s <= 0:
                raise FetchFailed("no whole answer in time", param=param, reason="timeout")
            async with self._streams.opened(
                method, wanted, headers, body, trusted, left, param, leaves
            ) as stream:
                location = stream.headers.get("location")
                if stream.status not in REDIRECTING or location is None:
                    stream.max_bytes, stream.redirected = max_bytes, not as_asked
                    yield stream
                    return
            then = joined(wanted, location, param)
            if origin_of(then) != origin_of(wanted):
                if stream.status in (307, 308) and method != "GET":
                    raise FetchFailed(
                        "redirected elsewhere with all that was sent",
                        param=param,
                        reason="redirects",
                    )
                trusted, headers = False, None
            if not trusted:
                then = self._next(wanted, location, stream.status, param)
            if stream.status not in (307, 308):
                method, body, as_asked = "GET", b"", False
            wanted = then
        raise FetchFailed("too many redirects", param=param, reason="redirects")

    async def aclose(self) -> None:
        """Nothing more is resolved. Connections that were kept are closed, others end with their
        requests."""
        await self._streams.aclose()
        self._resolver.close()

    def _read(self, url: str, param: str) -> httpx.URL:
        return read_url(url, allow=self._allow, ports=self._ports, param=param)

    def _next(self, here: httpx.URL, location: str | None, status: int, param: str) -> httpx.URL:
        if location is None:
            raise FetchFailed(
                "a redirect without a target", param=param, reason="status", status=status
            )
        return redirected(here, location, allow=self._allow, ports=self._ports, param=param)

    @asynccontextmanager
    async def _bounded(
        self, timeout_s: float | None, param: str
    ) -> AsyncIterator[tuple[float, asyncio.Timeout]]:
        """All that happens within it has so much time (seconds) and only typed errors."""
        patience_s = self._timeout_s if timeout_s is None else timeout_s
        with typed_errors(param):
            async with asyncio.timeout(patience_s) as deadline:
                yield patience_s, deadline

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None,
        body: bytes,
        patience_s: float,
        param: str,
    ) -> AsyncIterator[tuple[httpcore.Response, Wire]]:
        """One request on a connection of its own, closed however this ends."""
        request = request_of(method, url, headers, body, keep=False)
        connector = self._connector(patience_s, param, trusted=False)
        connection = httpcore.AsyncHTTPConnection(
            request.url.origin, ssl_context=await self._certificates(url), network_backend=connector
        )
        try:
            response = await connection.handle_async_request(request)
            assert connector.wire is not None
            yield response, connector.wire
        finally:
            await connector.aclose()

    async def _certificates(self, url: httpx.URL) -> ssl.SSLContext | None:
        if url.scheme == "https" and self._tls is None:
            self._tls = await asyncio.to_thread(trusted_certificates)
        return self._tls

    def _connector(self, patience_s: float, param: str, *, trusted: bool) -> Connector:
        return Connector(
            self._backend,
            self._resolve,
            None if trusted else self._allow,
            patience_s=patience_s,
            param=param,
        )
