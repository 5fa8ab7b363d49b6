"""A hosted API as it is seen from outside: real HTTP on loopback, its answers, delays and faults by script.

A face (a subclass) knows one API: what its requests ask for and how its answers look. What goes wrong on
the way is the same for all and is here. It runs on a loop and a thread of its own, so that a test may be
slow, and a benchmark exact.

    with running(OpenAiProvider()) as provider:
        provider.script("speech", Act(latency_s=0.3, speed=1.2), Act(status=503))
        ... provider.url, provider.key ...
        assert provider.requests[0].json()["input"] == "Hello."
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from tests.listening import listening

KEY = "provider-key"
INSIDE = "http://127.9.9.9:9/secret.wav"
"""A link that no provider should give: to the machine that asks."""
PIECE_S = 0.02
"""Sound is sent in pieces of this length where its speed is scripted."""

P = TypeVar("P", bound="Provider")
Fault = Literal["", "hang", "stall", "half", "reset", "type", "json", "inside", "expired", "moved"]


@dataclass(frozen=True)
class Act:
    """How one request goes.

    `latency_s`: until the first byte of the answer, `until`: not before this is set. `speed`: sound is
    sent so many times faster than it plays, 0 at once. `status`: the API's own error of this status,
    with `headers`. `fault`: `hang` (never an answer), `stall` (half of the body, then nothing), `half`
    (half of the body, then the connection ends), `reset`, `type` (an HTML page), `json` (JSON cut in
    half), `inside` (a link to the asker's own machine), `expired` (a link that answers 403), `moved` (a
    redirect to the same).
    """

    latency_s: float = 0.0
    speed: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    said: str = "scripted"
    fault: Fault = ""
    until: threading.Event | None = None


@dataclass(frozen=True)
class Request:
    """One request as the provider got it. `at` is `time.perf_counter`, header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer. `seconds`: the length of the sound it carries, which `Act.speed` sets the pace by."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    chunked: bool = False


def as_json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


@dataclass(frozen=True)
class File:
    body: bytes
    content_type: str
    seconds: float
    status: int = 200


class Provider(ABC):
    """A face fills in `kind`, `answer` and `refusal`.

    `requests` are all that came, `open` how many are under way, `most` the most that were at once,
    `left` those whose asker went before the end of the answer, `connections` the TCP connections.
    """

    name = "provider"
    base = ""
    """Path of the API's base URL."""

    def __init__(self, *, key: str = KEY) -> None:
        self.key = key
        self.port = 0
        self.requests: list[Request] = []
        self.open = 0
        self.most = 0
        self.left = 0
        self.connections = 0
        self.live = 0
        """TCP connections that are open."""
        self._scripts: dict[str, deque[Act]] = defaultdict(deque)
        self._usual: dict[str, Act] = {}
        self._files: dict[str, File] = {}
        self._numbers = itertools.count(1)
        self._writers: dict[asyncio.WriteTransport, asyncio.AbstractEventLoop] = {}

    # What a face knows

    @abstractmethod
    def kind(self, request: Request) -> str:
        """What a request is for: "speech" makes sound or a task, "poll" asks for it; others as it likes.
        Requests for files that were linked are "file"."""

    @abstractmethod
    async def answer(self, request: Request, act: Act) -> Reply:
        """What is said to a request, as the script has it."""

    @abstractmethod
    def refusal(self, status: int, said: str) -> Reply:
        """The API's own form of an error."""

    # What tests say and ask

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, as settings have it."""
        return self.origin + self.base

    def script(self, kind: str, *acts: Act) -> None:
        """How the next requests of this kind go; after these as usual."""
        self._scripts[kind].extend(acts)

    def usually(self, kind: str, act: Act) -> None:
        """How requests of this kind go for which nothing is scripted."""
        self._usual[kind] = act

    def reset(self) -> None:
        """Forget scripts and what came; what is under way goes on."""
        self._scripts.clear()
        self._usual.clear()
        self.requests.clear()
        self.most = self.open
        self.left = self.connections = 0

    def asked(self, kind: str) -> list[Request]:
        """The requests of one kind, in the order in which they came."""
        return [request for request in self.requests if self._kind(request) == kind]

    def settled(self, seconds: float = 5.0) -> bool:
        """Wait until no request is under way; False if some still is."""
        deadline = time.monotonic() + seconds
        while self.open and time.monotonic() < deadline:
            time.sleep(0.002)
        return not self.open

    def hang_up(self) -> None:
        """Close every connection."""
        for transport, loop in list(self._writers.items()):
            loop.call_soon_threadsafe(transport.abort)

    def number(self) -> int:
        """1, 2, 3 …: for names of tasks."""
        return next(self._numbers)

    def link(self, body: bytes, content_type: str, seconds: float, act: Act) -> str:
        """A URL of these bytes, or of what the act has instead."""
        if act.fault == "inside":
            return INSIDE
        name = f"/files/{self.number()}"
        status = 403 if act.fault == "expired" else 200
        self._files[name] = File(body, content_type, seconds, status)
        return self.origin + name + "?Expires=1800000000&Signature=s%2Fcret"

    # How it goes

    def _kind(self, request: Request) -> str:
        return "file" if request.path.startswith("/files/") else self.kind(request)

    def _act(self, kind: str) -> Act:
        script = self._scripts[kind]
        return script.popleft() if script else self._usual.get(kind, Act())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept for as many requests as the other side likes."""
        self.connections += 1
        self.live += 1
        self._writers[writer.transport] = asyncio.get_running_loop()
        try:
            while (request := await _request(reader)) is not None:
                self.requests.append(request)
                if not await self._one(request, reader, writer):
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.live -= 1
            del self._writers[writer.transport]
            writer.transport.abort()

    async def _one(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer; whether the connection goes on."""
        self.open += 1
        self.most = max(self.most, self.open)
        gone = asyncio.ensure_future(_gone(reader))
        telling = asyncio.ensure_future(self._tell(request, writer))
        try:
            await asyncio.wait((gone, telling), return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                return telling.result() and not gone.done()
            self.left += 1
            return False
        finally:
            self.open -= 1
            for task in (gone, telling):
                task.cancel()
            await asyncio.gather(gone, telling, return_exceptions=True)

    async def _tell(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        kind = self._kind(request)
        act = self._act(kind)
        if act.fault == "hang":
            await asyncio.Event().wait()
        reply = await self._reply(kind, request, act)
        # What the double itself takes is part of it.
        await asyncio.sleep(max(0.0, request.at + act.latency_s - time.perf_counter()))
        while act.until is not None and not act.until.is_set():
            await asyncio.sleep(0.002)
        if act.fault == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return await self._send(_spoilt(self, reply, act), act, writer)

    async def _reply(self, kind: str, request: Request, act: Act) -> Reply:
        if act.status:
            reply = self.refusal(act.status, act.said)
            return replace(reply, headers={**reply.headers, **act.headers})
        return self._file(request) if kind == "file" else await self.answer(request, act)

    def _file(self, request: Request) -> Reply:
        file = self._files.get(request.path)
        if file is None or file.status != 200:
            page = (
                b"<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>"
            )
            return Reply(404 if file is None else file.status, page, "application/xml")
        return Reply(200, file.body, file.content_type, seconds=file.seconds)

    async def _send(self, reply: Reply, act: Act, writer: asyncio.StreamWriter) -> bool:
        head = {"content-type": reply.content_type, "date": "Sat, 01 Aug 2026 00:00:00 GMT"}
        length = "transfer-encoding" if reply.chunked else "content-length"
        head |= {length: "chunked" if reply.chunked else str(len(reply.body)), **reply.headers}
        rows = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"HTTP/1.1 {reply.status} Status\r\n{rows}\r\n".encode())
        body = reply.body
        if act.fault in ("half", "stall"):
            body = body[: len(body) // 2]
        await self._paced(body, reply, act.speed, writer)
        if act.fault == "stall":
            await asyncio.Event().wait()
        if act.fault == "half":
            writer.write_eof()
            return False
        writer.write(b"0\r\n\r\n" if reply.chunked else b"")
        await writer.drain()
        return True

    async def _paced(
        self, body: bytes, reply: Reply, speed: float, writer: asyncio.StreamWriter
    ) -> None:
        begun = time.perf_counter()
        size = len(body) or 1
        if speed and reply.seconds:
            size = max(1, round(len(reply.body) * PIECE_S / reply.seconds))
        for at in range(0, len(body), size):
            if speed and reply.seconds:
                due = begun + at / len(reply.body) * reply.seconds / speed
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            piece = body[at : at + size]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.chunked else piece)
            await writer.drain()


def _spoilt(provider: Provider, reply: Reply, act: Act) -> Reply:
    match act.fault:
        case "type":
            return Reply(200, b"<html><body>It works!</body></html>", "text/html; charset=utf-8")
        case "json":
            return Reply(reply.status, b'{"data": {"task', "application/json")
        case "moved":
            whole = Act()
            link = provider.link(reply.body, reply.content_type, reply.seconds, whole)
            return Reply(302, headers={"location": link})
        case _:
            return reply


async def _gone(reader: asyncio.StreamReader) -> None:
    """Until the other side has closed. It sends nothing more before it has its answer."""
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.005)


async def _request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rows = head.strip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value for name, value in (row.split(": ", 1) for row in rows)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, query, headers, body, time.perf_counter())


@contextmanager
def running(provider: P) -> Iterator[P]:
    """The provider on a loop and a thread of its own."""
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        async with listening(provider.serve) as provider.port:
            stop.append(lambda: loop.call_soon_threadsafe(over.set))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name=provider.name)
    thread.start()
    ready.wait(10)
    try:
        yield provider
    finally:
        with contextlib.suppress(RuntimeError):
            stop[0]()
        thread.join(10)
