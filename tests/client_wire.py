"""A scripted server for tests of the Python client: real sockets, the real server half of the dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer.errors import StreamerError
from streamer.protocols import native
from streamer.protocols.base import Close
from streamer.types import (
    Audio,
    AudioFormat,
    Command,
    Done,
    Event,
    Packet,
    Ready,
    SegmentStarted,
    Started,
    Word,
    Words,
)

READY = Ready("s-1", "t-1", {"contexts": 16}, "r-1")
RATE = 1000


class Wire:
    """The server's end of one connection."""

    def __init__(self, socket: ServerConnection, dialect: native.Server | None = None) -> None:
        self.socket = socket
        self.dialect = dialect or native.Server()

    async def send(self, *events: Event) -> None:
        for event in events:
            for output in self.dialect.send(event):
                if isinstance(output, Close):
                    await self.socket.close(output.code, output.reason)
                else:
                    await self.socket.send(output)

    async def receive(self) -> Command:
        (command,) = self.dialect.receive(await self.socket.recv())
        assert not isinstance(command, str | bytes | Close)
        return command

    async def expect(self, *commands: Command) -> None:
        for command in commands:
            assert await self.receive() == command

    async def say_again(self, *messages: str | bytes) -> None:
        """Messages just as they were."""
        for message in messages:
            await self.socket.send(message)

    def drop(self) -> None:
        """Hang up behind what has been sent, without a word: no close frame."""
        self.socket.transport.close()


Script = Callable[[Wire], Awaitable[None]]


@asynccontextmanager
async def serving(
    *scripts: Script,
    readies: Sequence[Ready | None] = (READY,),
    refusals: Sequence[StreamerError | None] = (),
) -> AsyncGenerator[str]:
    """A server that greets each client and plays a script with it, the last of both with all that come
    later; what goes wrong in it fails the test. `refusals`: of handshakes, in their order."""
    faults: list[BaseException] = []
    turns, refused, greetings = iter(scripts), iter(refusals), iter(readies)

    def process(socket: ServerConnection, request: Request) -> Response | None:
        error = next(refused, None)
        if error is None:
            return None
        status, body, _ = native.encode_error(error)
        headers = Headers({"content-length": str(len(body))})
        return Response(status, HTTPStatus(status).phrase, headers, body)

    async def talk(socket: ServerConnection) -> None:
        wire = Wire(socket)
        try:
            if (ready := next(greetings, readies[-1])) is not None:
                await wire.send(ready)
            await next(turns, scripts[-1])(wire)
            await socket.wait_closed()
        except (AssertionError, ConnectionClosed) as fault:
            faults.append(fault)

    protocols = [Subprotocol(native.SUBPROTOCOL)]
    async with serve(
        talk, "127.0.0.1", 0, subprotocols=protocols, process_request=process
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
    assert not faults


def started(context: str = "c1") -> Started:
    audio = AudioFormat("pcm_s16le", "none", RATE, 1)
    return Started(context, audio, "audio/pcm", b"", 0, "heart", "tone", 0)


def audio(context: str = "c1", size: int = 10) -> Audio:
    return Audio(context, Packet(bytes(size), 0, 100))


def done(context: str = "c1", reason: str = "end") -> Done:
    return Done(context, reason, 1000, 1000.0, 9, 12.0, "tone")  # type: ignore[arg-type]


WORDS = (Word("Hi", 0, 400, 0), Word("there", 400, 1000, 3))
SPOKEN: list[Event] = [
    started(),
    SegmentStarted("c1", 0, "Hi there.", 0, 0, "end"),
    Words("c1", WORDS, "model"),
    audio(),
    done(),
]


async def all_of(events: AsyncIterator[Event], heard: list[Event] | None = None) -> list[Event]:
    """All events, also in `heard` where they end by an error."""
    heard = [] if heard is None else heard
    async for event in events:
        heard.append(event)
    return heard


async def nothing(wire: Wire) -> None:
    """Say nothing, and listen to nothing."""
