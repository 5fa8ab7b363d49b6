"""One connection for one request: resolved once, checked, bounded in what is read."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import httpcore

from streamer.errors import FetchFailed
from streamer.fetch.addresses import Address, Allow, read_host
from streamer.fetch.urls import forbidden

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host name and port to numeric addresses; OSError where there are none."""

ADDRESSES = 8
"""So many addresses of one name are tried."""
RESOLVERS = 16
READ_BYTES = 8192
"""What is parsed at once: one-byte chunks cost 5 us each, and live streams wait meanwhile."""
HEAD_BYTES = 262_144
"""Interim answers and headers; h11 bounds one answer's headers to 100 kB by itself."""


class Resolver:
    """The system's resolver, in threads of its own: a name whose servers never answer blocks one of
    these for seconds, and none of those that read files or decode."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM),
        )
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Wire(httpcore.AsyncNetworkStream):
    """One connection, read in small pieces and no further than its budget of bytes."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, param: str) -> None:
        self._stream = stream
        self._param = param
        self._is_cut = False
        self.budget = HEAD_BYTES

    def cut(self) -> None:
        """Let who reads come to an end by himself."""
        self._is_cut = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._is_cut:
            raise httpcore.ReadError("cut")
        if self.budget <= 0:
            raise FetchFailed("the answer is too large", param=self._param, reason="too_large")
        data = await self._stream.read(min(max_bytes, READ_BYTES), timeout)
        self.budget -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            self._stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except (httpcore.NetworkError, OSError, ValueError):
            raise FetchFailed(
                "no TLS with a certificate for this host", param=self._param, reason="tls"
            ) from None
        return self

    async def aclose(self) -> None:
        with suppress(httpcore.NetworkError, OSError):
            await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Connector(httpcore.AsyncNetworkBackend):
    """Opens one connection, to an address that has been checked; `allow` None: to any."""

    def __init__(
        self,
        backend: httpcore.AsyncNetworkBackend,
        resolve: Resolve,
        allow: Allow | None,
        *,
        patience_s: float,
        param: str,
    ) -> None:
        self._backend = backend
        self._resolve = resolve
        self._allow = allow
        self._patience_s = patience_s
        self._param = param
        self.wire: Wire | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._checked(host, port)
        for address in addresses:
            try:  # a share for each, so that one that swallows packets leaves time for the next
                stream = await self._backend.connect_tcp(
                    str(address), port, timeout=self._patience_s / len(addresses)
                )
            except (httpcore.NetworkError, httpcore.TimeoutException, OSError):
                continue
            self.wire = Wire(stream, self._param)
            return self.wire
        raise FetchFailed("no connection to this host", param=self._param, reason="connect")

    async def _checked(self, host: str, port: int) -> list[Address]:
        try:
            literal = read_host(host)
            found = [host] if literal else await self._resolve(host, port)
        except (OSError, ValueError):
            found = []
        if not found:
            raise FetchFailed("no address for this host", param=self._param, reason="dns")
        try:
            addresses = list(dict.fromkeys(ip_address(each) for each in found))
        except ValueError:
            raise forbidden(self._param) from None
        if self._allow is None:
            return addresses[:ADDRESSES]
        listed = self._allow.lists(host)
        if not all(self._allow.permits(address, listed=listed) for address in addresses):
            raise forbidden(self._param)
        return addresses[:ADDRESSES]

    async def aclose(self) -> None:
        if self.wire is not None:
            await self.wire.aclose()
