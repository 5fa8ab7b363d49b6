"""A voice on disk, in two files: what is told of it (JSON), and what it is made of (safetensors).

safetensors is loaded with the first voice that is made or spoken: it comes with the engines that need it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from streamer.errors import NotAvailable
from streamer.resources import OwnVoice
from streamer.types import VoiceData

FORMAT = 1
"""What this program writes, and the newest that it reads."""
MAX_BYTES = 16 << 20
"""More of one voice no engine has reason to make."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON has. `size` and `sha256` are of the file beside it."""

    format: int = FORMAT
    voice: OwnVoice
    size: int
    sha256: str
    idempotency_key: str = ""
    fingerprint: str = ""


class _Dated(msgspec.Struct):
    format: int


# Read in threads: see `jobs.stored` for why these are made here.
_DATED = msgspec.json.Decoder(_Dated)
_RECORD = msgspec.json.Decoder(Record)


class Unreadable(ValueError):
    """These bytes are not what was stored."""


def encode_record(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)


def decode_record(data: bytes) -> Record | None:
    """None where a newer program wrote it. Raises `Unreadable`."""
    try:
        if _DATED.decode(data).format > FORMAT:
            return None
        return _RECORD.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Unreadable("not the record of a voice") from error


def require() -> None:
    """Raises `NotAvailable` where voices can't be stored here."""
    _safetensors()


def encode_data(data: VoiceData) -> bytes:
    """The arrays as one file. Raises `ValueError` for what is no voice."""
    arrays = {name: np.ascontiguousarray(array) for name, array in data.items()}
    if not arrays or sum(array.nbytes for array in arrays.values()) > MAX_BYTES:
        raise ValueError("an engine made a voice of nothing, or of too much")
    saved: bytes = _safetensors().save(arrays)
    return saved


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def decode_data(data: bytes, record: Record) -> VoiceData:
    """The arrays, not to be written. Raises `Unreadable`."""
    if len(data) != record.size or digest(data) != record.sha256:
        raise Unreadable("not the bytes that were stored")
    arrays: dict[str, npt.NDArray[Any]] = _safetensors().load(data)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise NotAvailable(
            "voices are stored with safetensors, which is not installed here (extra 'qwen3')"
        ) from None
    return safetensors.numpy
