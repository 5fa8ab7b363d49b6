"""OpenAI's stream of server-sent events: audio deltas, the end, an error; both roles.

Knows no HTTP. Framing as in the WHATWG HTML standard, section 9.2, of which clients of this API read
`data: ` with exactly one space and nothing else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NoReturn

import msgspec

from streamer.errors import InvalidMessage
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.openai.errors import error_fields, error_of
from streamer.types import Audio, Done, Event, Failed, Packet

_PREFIX = b"data: "
_LAST = b"[DONE]"
"""Other APIs of OpenAI end their streams with this line; it is understood and never sent."""


class EventEncoder:
    """Events of one utterance to the stream; `b""` for what it has no word for."""

    def push(self, event: Event) -> bytes:
        match event:
            case Audio() if event.packet.data:
                audio = base64.b64encode(event.packet.data).decode()
                return _event({"type": "speech.audio.delta", "audio": audio})
            case Done():
                # Nothing here counts tokens: characters in, and no figure for what comes out.
                usage = {
                    "input_tokens": event.characters,
                    "output_tokens": 0,
                    "total_tokens": event.characters,
                }
                return _event({"type": "speech.audio.done", "usage": usage})
            case Failed():
                return _event({"type": "error", "error": error_fields(event.error)})
            case _:
                return b""


class EventDecoder:
    """The stream, cut anywhere, to Events of a context. Times are not in it: every pts and duration is
    0."""

    def __init__(self, context: str = "speech") -> None:
        self._context = context
        self._rest = b""

    def push(self, data: bytes) -> list[Event]:
        """Raises `RemoteProtocolError`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [event for line in lines for event in self._line(line.rstrip(b"\r"))]

    def flush(self) -> list[Event]:
        rest, self._rest = self._rest, b""
        return self._line(rest)

    def _line(self, line: bytes) -> list[Event]:
        if not line.startswith(_PREFIX) or line == _PREFIX + _LAST:
            return []
        try:
            fields = msgspec.json.decode(line.removeprefix(_PREFIX))
            return self._known(fields)
        except (
            msgspec.DecodeError,
            ValueError,
            RecursionError,
            AttributeError,
            TypeError,
        ) as error:
            _refuse(str(error))

    def _known(self, fields: dict[str, Any]) -> list[Event]:
        match fields.get("type"):
            case "speech.audio.delta":
                try:
                    data = base64.b64decode(fields.get("audio", ""), validate=True)
                except binascii.Error as error:
                    _refuse(str(error))
                return [Audio(self._context, Packet(data, 0, 0))]
            case "speech.audio.done":
                characters = int((fields.get("usage") or {}).get("input_tokens") or 0)
                return [Done(self._context, "end", 0, 0.0, characters, None, "")]
            case "error":
                return [Failed(error_of(fields.get("error") or {}), self._context)]
            case _:
                return []


def _event(fields: dict[str, Any]) -> bytes:
    return _PREFIX + msgspec.json.encode(fields) + b"\n\n"


def _refuse(reason: str) -> NoReturn:
    raise RemoteProtocolError(InvalidMessage(reason), fatal=True) from None
