"""Many listeners of one channel over raw sockets, light enough that one process carries 500 of them.

The first of each format keeps what it hears; every other is held to it byte by byte as it comes, and keeps
only when how much of it came.
"""

from __future__ import annotations

import asyncio
import re
import socket
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

RATE = 24000
"""Of the voice, and of MP3 and AAC; Ogg's Opus counts at twice that."""
PACKET_S = {"mp3": 576 / RATE, "ogg": 0.02, "aac": 1024 / RATE}
KINDS = tuple(PACKET_S)


class Ear(asyncio.Protocol):
    """One listener. `first`: who is listened after, None if it is the first of its `kind`."""

    def __init__(self, kind: str, first: Ear | None = None) -> None:
        self.kind = kind
        self.first = first
        self.status = b""
        self.body = bytearray()
        """All of it, of a first one; else what is not compared yet."""
        self.begin = 0
        """Where it begins in what the first one heard."""
        self.starts: list[int] = []
        """Of a first one: where its packets begin."""
        self.arrivals: list[tuple[float, int]] = []
        """When so many bytes were there, counted as the first one's."""
        self.start_s = 0.0
        """Where it begins on the channel's clock."""
        self.whole = False
        """Whether the end was said."""
        self.wrong = ""
        self._found = first is None
        self._size = 0
        self._raw = bytearray()
        self._left = -1
        self._headed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.BaseTransport | None = None
        self.gone = asyncio.Event()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.begun: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def close(self) -> None:
        """Hang up."""
        assert self._transport is not None
        self._transport.close()
        await self.gone.wait()

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self._headed:
            head, blank, rest = bytes(self._raw).partition(b"\r\n\r\n")
            if not blank:
                return
            self._headed, self.status, self._raw = True, head.split(b" ")[1], bytearray(rest)
            if (start := re.search(rb"x-streamer-start-ms: (\S+)", head)) is not None:
                self.start_s = float(start[1]) / 1000
            if self.status != b"200":
                self.wrong = f"{head!r} {rest!r}"
            self.begun.set_result(None)
        before = self._size
        self._unchunk()
        if self._size > before:
            self._compare()
            self.arrivals.append((self._loop.time(), self.begin + self._size))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        for future in (self.begun, self.over):
            if not future.done():
                future.set_result(None)

    def _find_packets(self) -> None:
        """Of a first one: where each packet begins that has begun, and one more."""
        body, starts = self.body, self.starts
        if not starts:
            if len(body) < 1024:  # of Ogg that is more than its header
                return
            starts.append(self.head)
        while (size := self._size_of(starts[-1])) is not None:
            starts.append(starts[-1] + size)

    def _size_of(self, at: int) -> int | None:
        """Bytes of the packet that begins there; None if that is not known, or it is not all there."""
        body, size = self.body, 0
        if self.kind == "mp3":  # 64 kbit/s, constant
            size = 64000 * 576 // 8 // RATE
        elif self.kind == "aac" and len(body) >= at + 6:
            size = int.from_bytes(body[at + 3 : at + 6], "big") >> 5 & 0x1FFF
        elif self.kind == "ogg" and len(body) >= at + 27:
            size = 27 + body[at + 26] + sum(body[at + 27 : at + 27 + body[at + 26]])
        return size if 0 < size <= len(body) - at else None

    @property
    def head(self) -> int:
        """Bytes that everyone gets for himself: Ogg's two first pages."""
        if self.kind != "ogg":
            return 0
        return [found.start() for found in re.finditer(b"OggS", self.body[:4096])][2]

    def _unchunk(self) -> None:
        at, raw = 0, self._raw
        while True:
            if self._left < 0:
                line = raw.find(b"\r\n", at)
                if line < 0:
                    break
                self._left, at = int(raw[at:line], 16) + 2, line + 2
                if self._left == 2:
                    self.whole = True
                    self.over.set_result(None)
                    break
            piece = raw[at : at + self._left]
            at += len(piece)
            body = piece[: max(0, self._left - 2)]
            self._left -= len(piece)
            self.body += body
            self._size += len(body)
            if self._left:
                break
            self._left = -1
        del raw[:at]

    def _compare(self) -> None:
        first = self.first
        if first is None:
            self._find_packets()
            return
        if self.wrong:
            return
        if not self._found:
            number = (self.start_s - first.start_s) / PACKET_S[self.kind]
            if (
                abs(number - round(number)) > 0.2 or round(number) < 0
            ):  # of Ogg's first some is dropped
                self.wrong = f"begins within a packet: {number}"
                return
            if round(number) >= len(first.starts) or len(self.body) < first.head:
                return  # it is ahead of the first one for a moment
            self._found = True
            if self.body[: first.head] != first.body[: first.head]:
                self.wrong = "another header"
            del self.body[: first.head]
            self._size -= first.head
            self.begin = first.starts[round(number)]
        at = self.begin + self._size - len(self.body)
        count = min(len(self.body), len(first.body) - at)
        if self.body[:count] != first.body[at : at + count]:
            self.wrong = f"differs within {count} bytes from {at} on"
        del self.body[:count]

    def exact(self) -> bool:
        """Whether it heard, to its end, what the first one did."""
        self._compare()
        return (
            not self.wrong and self.whole and self._found and (self.first is None or not self.body)
        )


async def listen(
    url: str, kind: str, first: Ear | None = None, back_ms: float | None = None
) -> Ear:
    """One who listens to the channel "hall", once it is answered."""
    address = urlsplit(url)
    query = "" if back_ms is None else f"?back_ms={back_ms:g}"
    transport, ear = await asyncio.get_running_loop().create_connection(
        lambda: Ear(kind, first), str(address.hostname), address.port or 80
    )
    transport.write(_request(address.netloc, kind + query))
    await ear.begun
    return ear


async def stuck(url: str, kind: str, back_ms: float) -> socket.socket:
    """One who asks, and reads nothing. Its segments are those of a network: on loopback the kernel would
    hold a megabyte for it."""
    address = urlsplit(url)
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(one, (address.hostname, address.port))
    await loop.sock_sendall(one, _request(address.netloc, f"{kind}?back_ms={back_ms:g}"))
    return one


def _request(host: str, what: str) -> bytes:
    return f"GET /v1/listen/hall.{what} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()


def seconds_in(first: Ear, size: int) -> float:
    """Of sound in so many bytes of what it heard."""
    return max(0, bisect_right(first.starts, size) - 1) * PACKET_S[first.kind]


@dataclass
class Published:
    """When the publisher's own packets came: up to which second of its sound, and the loop's time. `offset`:
    so many seconds of the channel come before its sound."""

    offset: float = 0.0
    seconds: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def came(self, second: float) -> float | None:
        """When the sound up to this second of the channel came."""
        own = second - self.offset
        index = bisect_left(self.seconds, own - 0.001)
        return self.at[index] if own > 0 and index < len(self.at) else None


@dataclass
class Lag:
    """`behind` the publisher's own packets, in seconds; `dry`: how often one that plays from its first byte
    on had nothing to play."""

    behind: list[float] = field(default_factory=list)
    dry: int = 0


def lag(first: Ear, ears: Sequence[Ear], since: float, published: Published) -> Lag:
    """Of these, all listeners of one kind, from the moment `since` on."""
    found = Lag()
    for ear in ears:
        begin = seconds_in(first, ear.begin)
        playing, there = ear.arrivals[0][0], begin
        for at, size in ear.arrivals:
            if at >= since:
                if at - playing > there - begin:
                    found.dry += 1
                    playing = at - (there - begin)
                came = published.came(first.start_s + seconds_in(first, size))
                if came is not None:
                    found.behind.append(at - came)
            there = seconds_in(first, size)
    return found
