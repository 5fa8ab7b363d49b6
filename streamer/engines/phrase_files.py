"""Phrases on a disk: one file each in a directory of its own, least recently used first out.

Not `diskcache`: it has had no release since 2023 and unpickles what it finds (CVE-2025-69872). Here a
file is data alone, and one that is not as it was written is no phrase.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from streamer.engines.phrases import Phrase
from streamer.errors import InvalidParameter
from streamer.types import Word

log = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{64}")
_DIGEST = 32
_WAITING = 64
"""Phrases that wait to be written; more are not kept."""
_LARGEST = 8
"""A file that takes more than this part of the room is not kept: it would drive out all others."""


class _File(msgspec.Struct, array_like=True):
    """What a file holds, behind its SHA-256, as MessagePack. Samples are little-endian."""

    kind: Literal["int16", "float32"]
    cuts: tuple[tuple[int, tuple[tuple[str, int, int, int], ...]], ...]
    sound: bytes


_FILE = msgspec.msgpack.Decoder(_File)


class PhraseFiles:
    """See `streamer.engines.phrases.Tier`. A disk that fails is told in the log once, and done without.

    Files are not synced: after a crash a phrase may be missing, or broken and taken for missing.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        """Blocks; raises `InvalidParameter` where there can't be such a directory."""
        self._directory = directory
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._waiting = 0
        self._warned = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="phrases")
        try:
            for path in (directory.parent, directory):  # `parents` would ignore the mode
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._find()
        except OSError as error:
            raise InvalidParameter(
                f"phrases can't be kept in {directory}: {error.strerror}", param="cache_disk_bytes"
            ) from None

    async def get(self, key: str) -> Phrase | None:
        with self._lock:
            if key not in self._sizes:
                return None
        return await asyncio.to_thread(self._read, key)

    def put(self, key: str, phrase: Phrase) -> None:
        with self._lock:
            if key in self._sizes or self._waiting >= _WAITING:
                return
            self._waiting += 1
        try:
            self._writer.submit(self._write, key, phrase)
        except RuntimeError:  # closed
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        """Waits for what is to be written."""
        self._writer.shutdown()

    def _find(self) -> None:
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    found.append((stat.st_mtime, entry.name, stat.st_size))
                elif entry.name.endswith(".new"):  # of a process that was killed
                    os.unlink(entry.path)
        for _, name, size in sorted(found):
            self._sizes[name] = size
            self._size += size
        self._evict()

    def _read(self, key: str) -> Phrase | None:
        path = self._directory / key
        try:
            phrase = decode(path.read_bytes())
        except FileNotFoundError:  # driven out since it was asked for
            self._forget(key)
            return None
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                self._warn(error)
            self._forget(key)
            return None
        with contextlib.suppress(OSError):  # a disk that is only read still has its phrases
            os.utime(path)
        with self._lock:
            if key in self._sizes:
                self._sizes.move_to_end(key)
        return phrase

    def _write(self, key: str, phrase: Phrase) -> None:
        new = self._directory / f"{key}.new"
        try:
            data = encode(phrase)
            if len(data) > self._max_bytes // _LARGEST:
                return
            with open(new, "wb", opener=_private) as file:
                file.write(data)
            os.replace(new, self._directory / key)
        except OSError as error:
            self._warn(error)
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
        else:
            with self._lock:
                self._size += len(data) - self._sizes.pop(key, 0)
                self._sizes[key] = len(data)
            self._evict()
        finally:
            with self._lock:
                self._waiting -= 1

    def _evict(self) -> None:
        while self._size > self._max_bytes:
            with self._lock:
                oldest = next(iter(self._sizes), None)
            if oldest is None:
                return
            self._forget(oldest)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._size -= self._sizes.pop(key, 0)
        with contextlib.suppress(OSError):
            os.unlink(self._directory / key)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            log.warning("phrases are not kept on disk", extra={"reason": error.strerror})


def encode(phrase: Phrase) -> bytes:
    """A phrase as a file."""
    kind: Literal["int16", "float32"] = "int16" if phrase.sound.dtype == np.int16 else "float32"
    cuts = tuple(
        (length, tuple((word.text, word.start, word.end, word.offset) for word in words))
        for length, words in phrase.cuts
    )
    sound = phrase.sound.astype(np.dtype(kind).newbyteorder("<")).tobytes()
    data = msgspec.msgpack.encode(_File(kind, cuts, sound))
    return hashlib.sha256(data).digest() + data


def decode(data: bytes) -> Phrase:
    """The phrase of a file. Raises `ValueError` if it is not one, or not as it was written."""
    digest, rest = data[:_DIGEST], data[_DIGEST:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("not as it was written")
    try:
        file = _FILE.decode(rest)
    except msgspec.MsgspecError as error:
        raise ValueError("no phrase") from error
    stored = np.frombuffer(file.sound, np.dtype(file.kind).newbyteorder("<"))
    sound = stored.astype(file.kind, copy=False)
    if sum(length for length, _ in file.cuts) != len(sound):
        raise ValueError("no phrase")
    cuts = tuple((length, tuple(Word(*word) for word in words)) for length, words in file.cuts)
    return Phrase(sound, cuts)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
