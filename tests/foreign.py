"""Servers and networks that are not ours: scripted, counted, and on loopback only."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore

from tests.listening import listening

PUBLIC = "93.184.215.14"
"""An address that may be connected to; `Detour` leads it to a server of the test's."""


@dataclass
class Names:
    """A resolver. A name has one list of answers for each time it is asked, the last one for ever."""

    answers: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        known = self.answers.get(host)
        if known is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        times = self.asked.count(host)
        self.asked.append(host)
        return known[min(times, len(known) - 1)]


@dataclass
class Detour(httpcore.AsyncNetworkBackend):
    """A connector that notes where it was sent, and leads some addresses to a port of this machine."""

    ports: Mapping[str, int] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)
    opened: list[httpcore.AsyncNetworkStream] = field(default_factory=list)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.sent.append((host, port))
        if host not in self.ports:
            raise httpcore.ConnectError("no way there")
        stream = await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.ports[host], timeout)
        self.opened.append(stream)
        return stream


@dataclass
class Request:
    """One request as a foreign server got it."""

    line: str
    headers: dict[str, str]
    body: bytes
    sni: str | None = None


Script = Callable[["Foreign", Request, asyncio.StreamWriter], Any]


class Foreign:
    """A server whose answers are bytes: fixed ones, or what a coroutine writes. Counts connections, and
    notes which of them ended."""

    def __init__(self, answer: bytes | Mapping[str, bytes] | Script) -> None:
        self.answer = answer
        self.port = 0
        self.requests: list[Request] = []
        self.accepted = 0
        self.ended = asyncio.Event()
        self.sni: str | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            request = await _request(reader)
            request.sni = self.sni
            self.requests.append(request)
            gone = asyncio.ensure_future(reader.read())
            telling = asyncio.ensure_future(self._tell(request, writer))
            try:
                await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    writer.write_eof() if writer.can_write_eof() else writer.close()
                    await gone
            finally:
                gone.cancel()
                telling.cancel()
                await asyncio.gather(gone, telling, return_exceptions=True)
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended.set()
            writer.transport.abort()

    async def _tell(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
        elif isinstance(self.answer, Mapping):
            writer.write(self.answer[request.line.split()[1]])
        else:
            await self.answer(self, request, writer)
        await writer.drain()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.strip().split("\r\n")
    headers = dict(row.split(": ", 1) for row in rest)
    headers = {name.lower(): value for name, value in headers.items()}
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def foreign(
    answer: bytes | Mapping[str, bytes] | Script,
    tls: ssl.SSLContext | None = None,
    at: tuple[str, int] = ("127.0.0.1", 0),
) -> AsyncIterator[Foreign]:
    """A running server on loopback."""
    server = Foreign(answer)
    if tls is not None:
        tls.sni_callback = lambda _, name, __: setattr(server, "sni", name)
    async with listening(server.serve, at, tls) as server.port:
        yield server


def ok(body: bytes = b"sound", **headers: str) -> bytes:
    """An answer with this body."""
    return answer(200, body, **headers)


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Headers' names with _ for -; the length is told unless `content_length` says something."""
    told = {"content_length": str(len(body))} | headers
    rows = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} Status\r\n{rows}\r\n".encode() + body


def moved(location: str, status: int = 302) -> bytes:
    return answer(status, location=location)
