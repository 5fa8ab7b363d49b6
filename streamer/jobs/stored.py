"""A job's request as it is kept on disk, beside the number of its format.

A newer program runs what an older one stored. Fields with defaults may be added freely; what an older
program would misread is a new format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streamer.errors import StreamerError, from_code
from streamer.resources import JobRequest, StoredFile
from streamer.types import Caption, Word

FORMAT = 4
"""The newest that this program reads. 1; 2: of a foreign dialect, which a program that knows none would tell
of in the wrong words; 3: text and secret are apart, in `inputs`; 4: of captions, which a program that knows
none would read out as text, times and all. It writes 3 and 4."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a job needs to be spoken. `request` has a seed; `vary`: its results after the first differ
    in rate and pitch too, since the engine's sound hardly depends on the seed. `base_url`: where its
    client reached this server."""

    request: JobRequest
    vary: bool = False
    base_url: str = ""


class _Error(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    param: str | None = None
    details: dict[str, Any] = {}


# Made here, not where they are used: two threads that meet a nested dataclass for the first time at once
# crash in msgspec 0.22 (it caches what it knows of a class before it is complete).
_STORED = msgspec.json.Decoder(Stored)
_FILE = msgspec.json.Decoder(StoredFile)
_ERROR = msgspec.json.Decoder(_Error)
_WORDS = msgspec.json.Decoder(list[tuple[str, int, int, int]])
_CAPTIONS = msgspec.json.Decoder(
    list[tuple[str, int, int, str | None, list[tuple[str, int, int, int]]]]
)


def format_of(stored: Stored) -> int:
    """The oldest that says all of it."""
    return FORMAT if stored.request.start.input == "captions" else 3


def encode(stored: Stored) -> bytes:
    return msgspec.json.encode(stored)


def decode(data: bytes) -> Stored:
    """Raises `msgspec.MsgspecError`, for what no program of ours wrote."""
    return _STORED.decode(data)


def encode_words(words: tuple[Word, ...]) -> bytes:
    return msgspec.json.encode(_rows(words))


def _rows(words: tuple[Word, ...]) -> list[tuple[str, int, int, int]]:
    return [(word.text, word.start, word.end, word.offset) for word in words]


def decode_words(data: bytes) -> tuple[Word, ...]:
    return tuple(Word(*row) for row in _WORDS.decode(data))


def encode_captions(captions: tuple[Caption, ...]) -> bytes:
    return msgspec.json.encode([(c.text, c.start, c.end, c.cue, _rows(c.words)) for c in captions])


def decode_captions(data: bytes) -> tuple[Caption, ...]:
    return tuple(
        Caption("", index, text, start, end, tuple(Word(*row) for row in words), cue)
        for index, (text, start, end, cue, words) in enumerate(_CAPTIONS.decode(data))
    )


def encode_file(file: StoredFile) -> bytes:
    return msgspec.json.encode(file)


def decode_file(data: bytes) -> StoredFile:
    return _FILE.decode(data)


def encode_error(error: StreamerError) -> bytes:
    return msgspec.json.encode(
        _Error(error.code, error.message, error.param, dict(error.details)), enc_hook=str
    )


def decode_error(data: bytes) -> StreamerError:
    told = _ERROR.decode(data)
    details: Mapping[str, Any] = told.details
    return from_code(told.code, told.message, param=told.param, **details)
