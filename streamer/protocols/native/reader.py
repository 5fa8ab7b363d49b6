"""Messages of a `streamer.v1` server back to Events: the client's half of `native.events`.

Ignores what it does not know. Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, cast

import msgspec

from streamer.errors import InvalidMessage
from streamer.protocols.base import RemoteProtocolError
from streamer.protocols.native import answers as wire
from streamer.protocols.native import captions
from streamer.protocols.native.audio import FIRST, LAST, LOST, unpack
from streamer.protocols.native.errors import error_of
from streamer.protocols.native.positions import NO_RATE, decode_words, samples_at
from streamer.types import (
    Audio,
    AudioFormat,
    Continued,
    Done,
    Event,
    Failed,
    Interrupted,
    Mark,
    Packet,
    Paused,
    Ready,
    Recovered,
    Resumed,
    SegmentStarted,
    Started,
    Trace,
    Words,
)

_SHAPES: Mapping[str, type[wire.Ready | wire.Resumed | wire.OfContext]] = {
    str(shape.__struct_config__.tag): shape
    for shape in (
        wire.Ready,
        wire.Resumed,
        wire.Started,
        wire.Segment,
        wire.Words,
        wire.Audio,
        wire.Mark,
        wire.Late,
        wire.Skipped,
        wire.Caption,
        wire.Paused,
        wire.Continued,
        wire.Interrupted,
        wire.Done,
    )
}


ENDED = 64
"""Of so many contexts that have ended it is known how far they came: more than a server keeps for one
client at its usual bounds. Of others it may say all again after a lost socket, which does no harm."""


class EventDecoder:
    """Messages of one connection, over as many sockets as it takes, to Events. What belongs to no open
    context is dropped, and so is what has come before."""

    def __init__(self) -> None:
        self._rates: dict[str, int] = {}
        self._streams: dict[int, str] = {}
        self._last: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    @property
    def received(self) -> Mapping[str, int]:
        """The last sequence number of each context that is open or has ended a short while ago."""
        return self._ended | self._last

    def decode(self, message: str | bytes) -> list[Event]:
        """Raises `RemoteProtocolError` for what can't come from a server of this protocol."""
        if isinstance(message, bytes):
            return self._binary(message)
        try:
            fields = msgspec.json.decode(message)
            kind = fields.get("type")
            if kind == "error":
                return [self._failed(fields)]
            shape = _SHAPES.get(kind)
            if shape is None:
                self._count(fields.get("context"), fields.get("sequence"))
                return []
            return self._known(msgspec.convert(fields, shape))
        except (
            msgspec.DecodeError,
            UnicodeError,
            RecursionError,
            AttributeError,
            TypeError,
        ) as error:
            _refuse(str(error))

    def _binary(self, message: bytes) -> list[Event]:
        try:
            audio = unpack(message)
        except ValueError as error:
            _refuse(str(error))
        context = self._streams.get(audio.stream) if audio else None
        if audio is None or context is None or not self._count(context, audio.sequence):
            return []
        return [_audio(context, audio.packet, audio.flags)]

    def _failed(self, fields: Mapping[str, Any]) -> Failed:
        context = fields.get("context")
        if not isinstance(context, str):
            return Failed(error_of(fields))
        self._count(context, fields.get("sequence"))
        self._end(context)
        return Failed(error_of(fields), context)

    def _known(self, answer: wire.Ready | wire.Resumed | wire.OfContext) -> list[Event]:
        match answer:
            case wire.Ready():
                return [Ready(answer.session, answer.token, answer.limits, answer.request_id)]
            case wire.Resumed():
                for name, state in answer.contexts.items():
                    if not state.recovered:  # its name may be used anew, from 0
                        self._end(name)
                        self._ended.pop(name, None)
                return [_resumed(answer)]
            case wire.Started():
                if answer.context not in self._rates:
                    self._rates[answer.context] = answer.audio.sample_rate
                    self._last.pop(answer.context, None)
                if not self._count(answer.context, answer.sequence):
                    return []
                self._streams[answer.stream] = answer.context
                return [_started(answer)]
            case wire.Done() | wire.Interrupted():
                if not self._count(answer.context, answer.sequence):
                    return []
                rate = self._rates.get(answer.context, NO_RATE)
                self._end(answer.context)
                return [_event(answer, rate)]
            case _ if answer.context in self._rates:
                if not self._count(answer.context, answer.sequence):
                    return []
                return [_event(answer, self._rates[answer.context])]
            case _:
                return []

    def _count(self, context: Any, sequence: Any) -> bool:
        """Note what has come of an open context. False if it came before."""
        if not (isinstance(context, str) and isinstance(sequence, int)):
            return True
        if context not in self._rates:
            return True
        if sequence <= self._last.get(context, -1):
            return False
        self._last[context] = sequence
        return True

    def _end(self, context: str) -> None:
        self._rates.pop(context, None)
        self._streams = {s: name for s, name in self._streams.items() if name != context}
        if context in self._last:
            self._ended.pop(context, None)
            self._ended[context] = self._last.pop(context)
            if len(self._ended) > ENDED:
                del self._ended[next(iter(self._ended))]


def _refuse(reason: str) -> NoReturn:
    raise RemoteProtocolError(InvalidMessage(reason), fatal=True) from None


def _audio(context: str, packet: Packet, flags: int) -> Audio:
    return Audio(context, packet, bool(flags & FIRST), bool(flags & LAST), bool(flags & LOST))


def _resumed(answer: wire.Resumed) -> Resumed:
    contexts = {
        name: Recovered(state.recovered, state.characters)
        for name, state in answer.contexts.items()
    }
    return Resumed(answer.session, contexts)


def _started(answer: wire.Started) -> Started:
    sound = answer.audio
    return Started(
        answer.context,
        AudioFormat(
            sound.codec,
            sound.container,
            sound.sample_rate,
            sound.channels,
            sound.bit_rate,
            sound.frame_ms,
        ),
        answer.mime,
        answer.header,
        answer.lead_in,
        answer.voice,
        answer.engine,
        answer.seed,
        answer.warnings,
    )


def _event(answer: wire.OfContext, rate: int) -> Event:
    """Strings off a list are passed on as they come, also those that only a newer server has."""
    match answer:
        case wire.Segment():
            return SegmentStarted(
                answer.context,
                answer.index,
                answer.text,
                answer.offset,
                samples_at(answer.start_ms, rate),
                cast(Any, answer.reason),
                answer.lost,
                _trace(answer.trace),
                answer.cue,
                answer.rate,
                answer.voice,
                samples_at(answer.shift_ms or 0.0, rate),
            )
        case wire.Words():
            return Words(
                answer.context,
                decode_words(answer.words, rate),
                cast(Any, answer.timing),
                cast(Any, answer.unit),
            )
        case wire.Audio():
            packet = Packet(answer.data, answer.pts, answer.duration)
            return _audio(answer.context, packet, answer.flags)
        case wire.Late() | wire.Skipped() | wire.Caption():
            return captions.decode(answer, rate)
        case wire.Mark():
            return Mark(answer.context, answer.mark, samples_at(answer.at_ms, rate))
        case wire.Continued():
            return Continued(answer.context, samples_at(answer.at_ms, rate), answer.offset)
        case wire.Paused() | wire.Interrupted():
            said = Paused if isinstance(answer, wire.Paused) else Interrupted
            return said(
                answer.context,
                answer.heard_text,
                decode_words(answer.heard_words, rate),
                answer.unspoken_text,
                samples_at(answer.played_ms, rate),
                cast(Any, answer.clock),
            )
        case wire.Done():
            return Done(
                answer.context,
                cast(Any, answer.reason),
                answer.samples,
                answer.audio_ms,
                answer.characters,
                answer.first_audio_ms,
                answer.engine,
                answer.cost,
            )
        case wire.Started():
            return _started(answer)


def _trace(trace: wire.Trace | msgspec.UnsetType) -> Trace | None:
    if isinstance(trace, msgspec.UnsetType):
        return None
    return Trace(trace.received_ms, trace.cut_ms, trace.synthesized_ms, trace.encoded_ms)
