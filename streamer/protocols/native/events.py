"""Events of a `streamer.v1` server to messages, JSON or binary; `native.reader` is the way back.

Here a context's messages get their sequence numbers and its audio its stream number. Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streamer.errors import ContextLimit
from streamer.protocols.native import answers as wire
from streamer.protocols.native import captions
from streamer.protocols.native.audio import STREAMS, AudioMessage, flags_of, pack
from streamer.protocols.native.errors import dump, error_fields
from streamer.protocols.native.positions import NO_RATE, encode_words, milliseconds
from streamer.types import (
    Audio,
    Caption,
    Continued,
    Done,
    Event,
    Failed,
    Idle,
    Interrupted,
    Late,
    Mark,
    Paused,
    Ready,
    Resumed,
    SegmentStarted,
    Skipped,
    Started,
    Trace,
    Transport,
    Words,
)


@dataclass(slots=True)
class _Open:
    """A context that has started: what its further messages need."""

    rate: int
    stream: int
    transport: Transport
    sequence: int = 0


class EventEncoder:
    """Events of one connection to messages. `transports` says how a context that is about to start
    wants its audio; the others get `default`."""

    def __init__(self, default: Transport = "binary") -> None:
        self.transports: dict[str, Transport] = {}
        self._default = default
        self._open: dict[str, _Open] = {}
        self._last_stream = 0

    def encode(self, event: Event) -> str | bytes:
        """The message. `KeyError` for sound, words, marks or cues of a context that is not open: nothing
        may be sent for it."""
        match event:
            case Ready():
                return _text(
                    wire.Ready(
                        session=event.session,
                        token=event.token,
                        limits=event.limits,
                        request_id=event.request_id,
                    )
                )
            case Resumed():
                return _text(_resumed(event))
            case Idle():
                raise TypeError("Idle is told to a dialect, not to a client")
            case Failed():
                return self._failed(event)
            case Audio():
                return self._audio(event)
            case Started():
                self._start(event)
        context = event.context
        state = self._open[context] if _needs_start(event) else self._open.get(context)
        answer = _answer(event, state or _Open(NO_RATE, 0, self._default))
        answer.sequence = _next(state)
        if isinstance(event, Done | Interrupted):
            self._close(context)
        return _text(answer)

    def _start(self, event: Started) -> None:
        assert event.audio.sample_rate, "`Started.audio` has every field filled in"
        transport = self.transports.pop(event.context, self._default)
        self._open[event.context] = _Open(event.audio.sample_rate, self._stream(), transport)

    def _stream(self) -> int:
        """The next number that no open context has, so that one just given up rests the longest."""
        used = {state.stream for state in self._open.values()}
        if len(used) == STREAMS:
            raise ContextLimit(f"a connection carries at most {STREAMS} contexts", limit=STREAMS)
        self._last_stream = self._last_stream % STREAMS + 1
        while self._last_stream in used:
            self._last_stream = self._last_stream % STREAMS + 1
        return self._last_stream

    def _close(self, context: str) -> None:
        self.transports.pop(context, None)
        self._open.pop(context, None)

    def _failed(self, event: Failed) -> str:
        fields: dict[str, Any] = {"type": "error"}
        if event.context is not None:
            sequence = _next(self._open.get(event.context))
            fields |= {"context": event.context, "sequence": sequence}
            self._close(event.context)
        return _text(fields | error_fields(event.error))

    def _audio(self, event: Audio) -> str | bytes:
        state, packet = self._open[event.context], event.packet
        flags = flags_of(first=event.first, last=event.last, lost=event.lost)
        sequence = _next(state)
        if state.transport == "binary":
            return pack(AudioMessage(flags, state.stream, sequence, packet))
        return _text(
            wire.Audio(
                context=event.context,
                sequence=sequence,
                pts=packet.pts,
                duration=packet.duration,
                flags=flags,
                data=packet.data,
            )
        )


def _text(message: wire.Ready | wire.Resumed | wire.OfContext | Mapping[str, Any]) -> str:
    return dump(message).decode()


def _next(state: _Open | None) -> int:
    """The next sequence number; 0 where the end of a context is the only message there was."""
    if state is None:
        return 0
    state.sequence += 1
    return state.sequence - 1


def _needs_start(event: Event) -> bool:
    return not isinstance(event, Done | Interrupted)


def _resumed(event: Resumed) -> wire.Resumed:
    contexts = {
        name: wire.Recovered(recovered=state.recovered, characters=state.characters)
        for name, state in event.contexts.items()
    }
    return wire.Resumed(session=event.session, contexts=contexts)


_Plain = (
    Started
    | SegmentStarted
    | Words
    | captions.OfCues
    | Mark
    | Paused
    | Continued
    | Interrupted
    | Done
)


def _answer(event: _Plain, state: _Open) -> wire.OfContext:
    match event:
        case Started():
            audio = event.audio
            return wire.Started(
                context=event.context,
                audio=wire.Sound(
                    codec=audio.codec,
                    container=audio.container,
                    sample_rate=state.rate,
                    channels=audio.channels,
                    bit_rate=audio.bit_rate,
                    frame_ms=audio.frame_ms,
                    transport=state.transport,
                ),
                mime=event.mime,
                header=event.header,
                lead_in=event.lead_in,
                voice=event.voice,
                engine=event.engine,
                stream=state.stream,
                seed=event.seed,
                warnings=event.warnings,
            )
        case SegmentStarted():
            return wire.Segment(
                context=event.context,
                index=event.index,
                text=event.text,
                offset=event.offset,
                start_ms=milliseconds(event.start, state.rate),
                reason=event.reason,
                lost=event.lost,
                cue=event.cue,
                rate=captions.encode_rate(event.rate),
                voice=event.voice,
                shift_ms=milliseconds(event.shift, state.rate) if event.shift else msgspec.UNSET,
                trace=_trace(event.trace) if event.trace else msgspec.UNSET,
            )
        case Words():
            words = encode_words(event.words, state.rate)
            return wire.Words(
                context=event.context, words=words, timing=event.timing, unit=event.unit
            )
        case Late() | Skipped() | Caption():
            return captions.encode(event, state.rate)
        case Mark():
            at = milliseconds(event.pts, state.rate)
            return wire.Mark(context=event.context, mark=event.mark, at_ms=at)
        case Continued():
            at = milliseconds(event.start, state.rate)
            return wire.Continued(context=event.context, at_ms=at, offset=event.offset)
        case Paused() | Interrupted():
            shape = wire.Paused if isinstance(event, Paused) else wire.Interrupted
            return shape(
                context=event.context,
                heard_text=event.heard_text,
                heard_words=encode_words(event.heard_words, state.rate),
                unspoken_text=event.unspoken_text,
                played_ms=milliseconds(event.played, state.rate),
                clock=event.clock,
            )
        case Done():
            first = event.first_audio_ms
            return wire.Done(
                context=event.context,
                reason=event.reason,
                samples=event.samples,
                audio_ms=round(event.audio_ms, 3),
                characters=event.characters,
                first_audio_ms=None if first is None else round(first, 3),
                engine=event.engine,
                cost=event.cost,
            )


def _trace(trace: Trace) -> wire.Trace:
    return wire.Trace(
        received_ms=round(trace.received_ms, 3),
        cut_ms=round(trace.cut_ms, 3),
        synthesized_ms=round(trace.synthesized_ms, 3),
        encoded_ms=round(trace.encoded_ms, 3),
    )
