"""Places on a sound clock and the words there: samples here, milliseconds on the wire; both roles."""

from __future__ import annotations

from collections.abc import Iterable

from streamer.protocols.native import answers as wire
from streamer.types import Word

NO_RATE = 48000
"""For a context that ends before it has started: all its positions are zero."""


def milliseconds(samples: int, rate: int) -> float:
    """To a microsecond, which is less than half a sample: `samples_at` gets it back exactly."""
    return round(samples * 1000 / rate, 3)


def samples_at(ms: float, rate: int) -> int:
    return round(ms * rate / 1000)


def encode_words(words: Iterable[Word], rate: int) -> tuple[wire.Word, ...]:
    return tuple(
        wire.Word(
            text=word.text,
            start_ms=milliseconds(word.start, rate),
            end_ms=milliseconds(word.end, rate),
            offset=word.offset,
        )
        for word in words
    )


def decode_words(words: Iterable[wire.Word], rate: int) -> tuple[Word, ...]:
    return tuple(
        Word(
            word.text,
            samples_at(word.start_ms, rate),
            samples_at(word.end_ms, rate),
            word.offset,
        )
        for word in words
    )
