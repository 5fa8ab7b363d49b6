"""What a dialect is: a pure translator between wire messages and our Commands and Events.

Both roles of a dialect live in one file, and the server half inverts the client half. No asyncio,
sockets, files, clocks or logging here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from streamer.errors import StreamerError
from streamer.types import Command, Event, Start


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket (RFC 6455 code and reason) after everything before it has been sent."""

    code: int
    reason: str = ""


Output: TypeAlias = str | bytes | Close
"""What a dialect wants on the wire: a text message, a binary message, or the end."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The opening HTTP request. Header names are lower case; `query` keeps the last of repeated keys."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()


class Refused(Exception):
    """The handshake is refused: becomes this HTTP answer before the upgrade. With an `error` the server
    words the answer itself, by the dialect's `encode_error`, so that it is counted and has its id."""

    def __init__(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        error: StreamerError | None = None,
    ) -> None:
        super().__init__(status, body)
        self.error = error
        self.status = status
        self.body = body
        self.headers = dict(headers or {"content-type": "application/json"})


class RemoteProtocolError(Exception):
    """The peer sent what this protocol does not allow. `error` is what to tell it; `context` names the
    context it belongs to, None means the connection can't go on."""

    def __init__(
        self, error: StreamerError, context: str | None = None, *, fatal: bool = False
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.context = context
        self.fatal = fatal


class Server(Protocol):
    """The server's side of a WebSocket dialect, one instance per connection.

    Outputs are sent before the Commands behind them run. `Command`s come out validated: a value out of
    range is a `RemoteProtocolError` that carries the typed error.
    """

    idle_s: float | None
    """No message for so long: the connection sends it the event `Idle`."""
    resumable: bool
    """After `open`: the client may come back over another socket, and each message of a context has the
    next sequence number, from 0."""

    def open(self, request: Handshake) -> list[Command | Output]: ...

    def receive(self, message: str | bytes) -> list[Command | Output]: ...

    def send(self, event: Event) -> list[Output]: ...


class Client(Protocol):
    """The client's side. `receive` ignores what it doesn't know, so that a protocol can grow."""

    def send(self, command: Command) -> list[str | bytes]: ...

    def receive(self, message: str | bytes) -> list[Event]: ...


Delivery = Literal["audio", "lines", "sse"]


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One utterance over HTTP, from any dialect: how to speak, what, and the form of the answer.

    `delivery`: the bare bytes, JSON lines with word times, or server-sent events.
    """

    start: Start
    text: str
    delivery: Delivery = "audio"


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One row of `PROTOCOLS`. `server` and `client` are import strings of the WebSocket halves (None
    where the dialect is HTTP only); `websocket` is the path; `prefix` its own mount besides the root."""

    module: str
    prefix: str
    websocket: str | None
    server: str | None
    client: str | None
    at_root: bool


PROTOCOLS: dict[str, ProtocolRow] = {
    "native": ProtocolRow(
        module="streamer.protocols.native",
        prefix="/native",
        websocket="/v1/stream",
        server="streamer.protocols.native:Server",
        client="streamer.protocols.native:Client",
        at_root=True,
    ),
    "openai": ProtocolRow(
        module="streamer.protocols.openai",
        prefix="/openai",
        websocket=None,
        server=None,
        client=None,
        at_root=True,
    ),
}
