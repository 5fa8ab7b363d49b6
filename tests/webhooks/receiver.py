"""A receiver of webhooks on loopback that answers as its path says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.listening import listening


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """`/204` answers 204; `/hang` never, `/reset` with a reset, `/slow` a byte at a time, `/long` with more
    than anyone reads; a path that `statuses` names has these one after another, then 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.statuses: dict[str, list[str]] = {}
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request, *lines = head.strip().split("\r\n")
        method, path, _ = request.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.received.append(Received(method, path, headers, body))
        name = path[1:]
        if path in self.statuses:
            name = self.statuses[path].pop(0) if self.statuses[path] else "200"
        if name == "hang":
            await reader.read()
            raise ConnectionResetError
        if name == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionResetError
        if name == "slow":
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + bytes(1000):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)
            return
        length = 1_000_000 if name == "long" else 0
        answer = f"HTTP/1.1 {'200' if name == 'long' else name} .\r\n"
        if name != "204":
            answer += f"content-length: {length}\r\n"
        if name == "301":
            answer += f"location: {self.url('/elsewhere')}\r\n"
        if name == "429":
            answer += "retry-after: 120\r\n"
        writer.write(answer.encode() + b"\r\n" + bytes(length))
        await writer.drain()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with listening(receiver.serve) as receiver.port:
        yield receiver
