"""What a server says of cues and captions, both roles: Events to messages and back. Knows no sockets."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from streamer.protocols.native import answers as wire
from streamer.protocols.native.positions import (
    decode_words,
    encode_words,
    milliseconds,
    samples_at,
)
from streamer.types import Caption, Late, Skipped

OfCues: TypeAlias = Late | Skipped | Caption


def encode_rate(rate: float) -> float:
    """To four places, which is less than anybody hears."""
    return round(rate, 4)


def encode(event: OfCues, rate: int) -> wire.OfCues:
    """`rate`: of the context's clock."""
    match event:
        case Late():
            return wire.Late(
                context=event.context,
                cue=event.cue,
                by_ms=milliseconds(event.by, rate),
                rate=encode_rate(event.rate),
                into=event.into,
            )
        case Skipped():
            return wire.Skipped(context=event.context, cue=event.cue, reason=event.reason)
        case Caption():
            return wire.Caption(
                context=event.context,
                index=event.index,
                start_ms=milliseconds(event.start, rate),
                end_ms=milliseconds(event.end, rate),
                text=event.text,
                words=encode_words(event.words, rate),
                cue=event.cue,
            )


def decode(answer: wire.OfCues, rate: int) -> OfCues:
    """Strings off a list are passed on as they come."""
    match answer:
        case wire.Late():
            by = samples_at(answer.by_ms, rate)
            return Late(answer.context, answer.cue, by, answer.rate, answer.into)
        case wire.Skipped():
            return Skipped(answer.context, answer.cue, cast(Any, answer.reason))
        case wire.Caption():
            return Caption(
                answer.context,
                answer.index,
                answer.text,
                samples_at(answer.start_ms, rate),
                samples_at(answer.end_ms, rate),
                decode_words(answer.words, rate),
                answer.cue,
            )
