"""Messages of a `streamer.v1` client to Commands and back.

Ranges have been checked by then (`native.messages`); nothing is refused here but a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from streamer import types
from streamer.errors import UnsupportedParameter
from streamer.protocols.native import messages as wire
from streamer.types import AudioFormat, Command, OptionsUpdate, Transport

_SIMPLE: Mapping[type[Any], type[Any]] = {
    wire.Flush: types.Flush,
    wire.End: types.End,
    wire.Interrupt: types.Interrupt,
    wire.Cancel: types.Cancel,
    wire.Pause: types.Pause,
    wire.Continue: types.Continue,
    wire.Played: types.Played,
    wire.Report: types.Report,
}
"""Messages whose fields are those of their Command, one by one."""
_SIMPLE_BACK = {command: message for message, command in _SIMPLE.items()}

V = TypeVar("V")
S = TypeVar("S", bound=wire.Sound)


def to_command(message: wire.Message) -> Command:
    """The Command a message stands for."""
    match message:
        case wire.Start():
            return to_start(
                message,
                context=message.context,
                sound=message.audio,
                transport=(message.audio.transport if message.audio else None) or "binary",
                lead_ms=message.pacing.lead_ms if message.pacing else None,
            )
        case wire.Text():
            options = options_of(message)
            return types.Text(
                message.context,
                message.text,
                message.at,
                message.mark,
                None if options == OptionsUpdate() else options,
            )
        case wire.Resume():
            return types.Resume(message.session, message.token, message.received or {})
        case _:
            command: Command = _SIMPLE[type(message)](**msgspec.structs.asdict(message))
            return command


def to_message(command: Command) -> wire.Message:
    """The message that says a Command. Raises `UnsupportedParameter` for `Authenticate`: a key travels
    in the handshake."""
    match command:
        case types.Authenticate():
            raise UnsupportedParameter("streamer.v1 takes the key in the handshake", param="key")
        case types.Start():
            sound = from_format(command.audio, wire.SocketSound)
            sound.transport = stated(command.transport, "binary")
            return wire.Start(
                context=command.context,
                audio=stated(sound, wire.SocketSound()),
                pacing=None if command.lead_ms is None else wire.Pacing(lead_ms=command.lead_ms),
                **utterance_of(command),
            )
        case types.Text():
            return wire.Text(
                context=command.context,
                text=command.text,
                at=command.at,
                mark=command.mark,
                **spoken_of(command.options or OptionsUpdate()),
            )
        case types.Resume():
            return wire.Resume(
                session=command.session,
                token=command.token,
                received=dict(command.received) or None,
            )
        case _:
            struct = _SIMPLE_BACK[type(command)]
            fields = {name: getattr(command, name) for name in struct.__struct_fields__}
            message: wire.Message = struct(**fields)
            return message


def to_start(
    message: wire.Utterance,
    *,
    context: str,
    sound: wire.Sound | None,
    transport: Transport = "binary",
    lead_ms: int | None = None,
    container: str = "none",
) -> types.Start:
    """A `Start` from what was stated; `container` where none was."""
    return types.Start(
        context,
        options_of(message),
        to_format(sound or wire.Sound(), container),
        transport,
        message.timestamps or "word",
        lead_ms,
        message.cut or "auto",
        message.lexicon or {},
        bool(message.strict),
        bool(message.trace),
    )


def utterance_of(start: types.Start) -> dict[str, Any]:
    """The fields of an `Utterance` that say `start`, defaults left out."""
    return {
        "timestamps": stated(start.timestamps, "word"),
        "cut": stated(start.cut, "auto"),
        "lexicon": dict(start.lexicon) or None,
        "strict": start.strict or None,
        "trace": start.trace or None,
        **spoken_of(start.options),
    }


def options_of(message: wire.Spoken) -> OptionsUpdate:
    return OptionsUpdate(**{name: getattr(message, name) for name in wire.Spoken.__struct_fields__})


def spoken_of(options: OptionsUpdate) -> dict[str, Any]:
    return {name: getattr(options, name) for name in wire.Spoken.__struct_fields__}


def to_format(sound: wire.Sound, container: str) -> AudioFormat:
    return AudioFormat(
        "opus" if sound.codec is None else sound.codec,
        container if sound.container is None else sound.container,
        sound.sample_rate,
        sound.channels or 1,
        sound.bit_rate,
        sound.frame_ms,
    )


def from_format(audio: AudioFormat, struct: type[S]) -> S:
    """A format as a client states it, defaults of the WebSocket left out."""
    return struct(
        codec=stated(audio.codec, "opus"),
        container=stated(audio.container, "none"),
        sample_rate=audio.sample_rate,
        channels=stated(audio.channels, 1),
        bit_rate=audio.bit_rate,
        frame_ms=audio.frame_ms,
    )


def stated(value: V, default: V) -> V | None:
    """None, which stays off the wire, for a default."""
    return None if value == default else value
