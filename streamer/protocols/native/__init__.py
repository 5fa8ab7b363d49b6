"""The native dialect, `streamer.v1`: both roles of its WebSocket, and its HTTP functions.

`Server` and `Client` are the halves that `protocols.base` describes. docs/protocol.md is the
specification; the law that the server half inverts the client half is property-tested. What has an
address of its own is in `native.jobs`, `native.files`, `native.voices` and `native.webhooks`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from streamer.errors import (
    IdleTimeout,
    InvalidMessage,
    InvalidParameter,
    RequestError,
    StreamerError,
    UnknownParameter,
)
from streamer.protocols.base import (
    Close,
    Handshake,
    Output,
    Refused,
    RemoteProtocolError,
)
from streamer.protocols.native import messages
from streamer.protocols.native.commands import to_command, to_message
from streamer.protocols.native.errors import (
    close_code,
    decode_error,
    encode_error,
    error_of_close,
)
from streamer.protocols.native.events import EventEncoder
from streamer.protocols.native.http import (
    NDJSON,
    LineDecoder,
    LineEncoder,
    decode_speech,
    encode_speech,
)
from streamer.protocols.native.reader import EventDecoder
from streamer.protocols.native.voices import decode_voices, encode_voices
from streamer.protocols.strict import Schema
from streamer.types import Command, Event, Failed, Idle, Start, Subscribe

__all__ = [
    "LOSSY",
    "NDJSON",
    "SUBPROTOCOL",
    "Client",
    "LineDecoder",
    "LineEncoder",
    "Server",
    "close_code",
    "decode_error",
    "decode_speech",
    "decode_voices",
    "encode_error",
    "encode_speech",
    "encode_voices",
    "error_of_close",
    "key_of",
    "refused",
    "subprotocols_for",
]

SUBPROTOCOL = "streamer.v1"
_KEY_SUBPROTOCOL = "streamer.auth."

LOSSY: Mapping[str, str] = {
    "Authenticate": "a key travels in the handshake, never in a message: refused by the client half",
    "Text.options": "options that state nothing are the same as none",
    "Done.audio_ms, Done.first_audio_ms, Trace": "rounded to a microsecond",
    "SegmentStarted.rate, Late.rate": "rounded to four places",
    "Failed.error": "details named like a field of `error` itself are dropped; others must be JSON",
    "Idle": "is never sent: it becomes an `idle_timeout` error",
    "SpeechRequest": "no context, transport, pacing or channel: a response has one voice and one pace",
    "Voice.data": "stays on the server",
    "JobRequest": "no context, transport, pacing or channel; `webhook.policy` is the standard one",
    "Job, StoredFile, Endpoint, Delivery": "the server tells neither text, key nor secrets; times are"
    " rounded to a millisecond; an error is its code, param and the first 500 characters of its message",
}
"""What this dialect cannot say of our Commands and Events, and what becomes of it."""

_COMMANDS: Schema[messages.Message] = Schema(messages.Message)


class _Named(msgspec.Struct):
    """The least of a message: whose it is."""

    context: messages.ContextId


_NAMED = msgspec.json.Decoder(_Named)


class Server:
    """The server's side of one connection.

    A bad message that names a context is an error of that context; one that names none ends the
    connection (`RemoteProtocolError.fatal`).
    """

    def __init__(self, idle_s: float | None = None) -> None:
        self.idle_s = idle_s
        self.resumable = False
        """The client asked with `resume=1` to be waited for after a lost socket."""
        self._encoder = EventEncoder()

    def open(self, request: Handshake) -> list[Command | Output]:
        """Read the query: `resume=0|1` and nothing else, least of all a key. Raises `Refused`."""
        for name, value in request.query.items():
            if name != "resume":
                error = UnknownParameter(f"no query parameter {name[:64]!r}", param=name[:64])
                raise refused(error)
            if value not in ("0", "1"):
                raise refused(InvalidParameter("resume is 0 or 1", param="resume"))
        self.resumable = request.query.get("resume") == "1"
        return []

    def receive(self, message: str | bytes) -> list[Command | Output]:
        """Raises `RemoteProtocolError`."""
        if isinstance(message, bytes):
            raise RemoteProtocolError(
                InvalidMessage("a client sends text messages only"), fatal=True
            )
        try:
            command = to_command(_COMMANDS.decode(message))
        except RequestError as error:
            context = _context_of(message)
            raise RemoteProtocolError(error, context, fatal=context is None) from None
        if isinstance(command, Start | Subscribe):
            self._encoder.transports[command.context] = command.transport
        return [command]

    def send(self, event: Event) -> list[Output]:
        """The messages. An error without context, and `Idle`, close the connection."""
        if isinstance(event, Idle):
            event = Failed(IdleTimeout("no message and no context for too long"))
        message = self._encoder.encode(event)
        if isinstance(event, Failed) and event.context is None:
            return [message, Close(close_code(event.error), event.error.code)]
        return [message]


class Client:
    """The client's side of one connection, over as many sockets as it takes. Ignores messages and fields it
    does not know, and what comes a second time."""

    def __init__(self) -> None:
        self._decoder = EventDecoder()

    @property
    def received(self) -> Mapping[str, int]:
        """What `Resume` tells: the last sequence number of each context."""
        return self._decoder.received

    def send(self, command: Command) -> list[str | bytes]:
        return [msgspec.json.encode(to_message(command)).decode()]

    def receive(self, message: str | bytes) -> list[Event]:
        """Raises `RemoteProtocolError` for what no server of this protocol sends."""
        return self._decoder.decode(message)


def _context_of(message: str) -> str | None:
    """The context that a bad message belongs to, if it says so."""
    try:
        return _NAMED.decode(message).context
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def refused(error: StreamerError, request_id: str = "") -> Refused:
    """The HTTP answer to a handshake."""
    status, body, headers = encode_error(error, request_id)
    return Refused(status, body, headers, error)


def key_of(request: Handshake) -> str | None:
    """The key of a request: `Authorization: Bearer`, `X-API-Key`, or the second subprotocol."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    if key := request.headers.get("x-api-key", "").strip():
        return key
    for offered in request.subprotocols:
        if offered.startswith(_KEY_SUBPROTOCOL):
            return _base64url(offered.removeprefix(_KEY_SUBPROTOCOL))
    return None


def subprotocols_for(key: str | None) -> list[str]:
    """What a browser offers; the server selects the first."""
    if not key:
        return [SUBPROTOCOL]
    encoded = base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")
    return [SUBPROTOCOL, _KEY_SUBPROTOCOL + encoded]


def _base64url(text: str) -> str | None:
    """base64url without padding (RFC 4648, 5), as a subprotocol is an HTTP token."""
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode() or None
    except (binascii.Error, ValueError):
        return None
