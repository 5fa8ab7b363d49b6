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
from streamer.types import AudioFormat, Command, CueOptions, OptionsUpdate, Transport

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

_USUAL = CueOptions()

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
                transport=_transport_of(message.audio),
                lead_ms=message.pacing.lead_ms if message.pacing else None,
                channel=message.channel,
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
        case wire.Cue():
            return types.Cue(
                message.context,
                message.text,
                message.id or "",
                message.start_ms,
                message.end_ms,
                message.voice,
            )
        case wire.Subscribe():
            return types.Subscribe(
                message.context,
                message.channel,
                to_format(message.audio or wire.Sound(), "none"),
                _transport_of(message.audio),
                message.timestamps or "word",
                bool(message.captions),
                message.back_ms or 0.0,
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
            return wire.Start(
                context=command.context,
                audio=_socket_sound(command.audio, command.transport),
                pacing=None if command.lead_ms is None else wire.Pacing(lead_ms=command.lead_ms),
                channel=command.channel,
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
        case types.Cue():
            return wire.Cue(
                context=command.context,
                text=command.text,
                id=command.id or None,
                start_ms=command.start_ms,
                end_ms=command.end_ms,
                voice=command.voice,
            )
        case types.Subscribe():
            return wire.Subscribe(
                context=command.context,
                channel=command.channel,
                audio=_socket_sound(command.audio, command.transport),
                timestamps=stated(command.timestamps, "word"),
                captions=command.captions or None,
                back_ms=command.back_ms or None,
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
    channel: str | None = None,
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
        message.input or "text",
        _cue_options(message.cues or wire.Cues()),
        bool(message.captions),
        channel,
    )


def utterance_of(start: types.Start) -> dict[str, Any]:
    """The fields of an `Utterance` that say `start`, defaults left out."""
    return {
        "timestamps": stated(start.timestamps, "word"),
        "cut": stated(start.cut, "auto"),
        "lexicon": dict(start.lexicon) or None,
        "strict": start.strict or None,
        "trace": start.trace or None,
        "input": stated(start.input, "text"),
        "cues": stated(_cues_of(start.cues), wire.Cues()),
        "captions": start.captions or None,
        **spoken_of(start.options),
    }


def _cue_options(cues: wire.Cues) -> CueOptions:
    """What is stated; the rest is as `CueOptions` has it."""
    fields = {name: getattr(cues, name) for name in wire.Cues.__struct_fields__}
    stated = {name: value for name, value in fields.items() if value is not None}
    if cues.origin_ms == "first":
        stated["origin_ms"] = None
    return CueOptions(**stated)


def _cues_of(options: CueOptions) -> wire.Cues:
    """Defaults left out."""
    cues = wire.Cues(
        **{
            name: stated(getattr(options, name), getattr(_USUAL, name))
            for name in wire.Cues.__struct_fields__
        }
    )
    if options.origin_ms is None:
        cues.origin_ms = "first"
    return cues


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


def _socket_sound(audio: AudioFormat, transport: Transport) -> wire.SocketSound | None:
    """A format over a socket; None, if it is the usual one."""
    sound = from_format(audio, wire.SocketSound)
    sound.transport = stated(transport, "binary")
    return stated(sound, wire.SocketSound())


def _transport_of(sound: wire.SocketSound | None) -> Transport:
    return (sound.transport if sound else None) or "binary"


def stated(value: V, default: V) -> V | None:
    """None, which stays off the wire, for a default."""
    return None if value == default else value
