"""Where a text to speak comes from: an argument, a file, or standard input as it arrives."""

from __future__ import annotations

import asyncio
import codecs
import os
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from streamer.errors import InvalidParameter
from streamer.tasks import ended

PIECE = 4096
"""Most bytes of one piece: far below the 64 KiB of a WebSocket message, also when escaped."""


def of(text: str | None, file: Path | None) -> AsyncGenerator[str, None]:
    """What a command line names: a text, a file, `-` or nothing for standard input."""
    if text is not None and file is not None:
        raise InvalidParameter("a text or a file, not both", param="text")
    if text == "-" or file == Path("-") or (text is None and file is None):
        if text is None and file is None and sys.stdin.isatty():
            raise InvalidParameter("nothing to say: give a text, -f FILE or -", param="text")
        return of_stdin()
    return of_text(text) if text is not None else of_file(file or Path())


async def with_pauses(
    pieces: AsyncGenerator[str, None], idle_s: float | None
) -> AsyncGenerator[str | None, None]:
    """The pieces, and None once where no next one comes for so long; never where that is None."""
    async with aclosing(pieces):
        while True:
            pull = asyncio.ensure_future(anext(pieces, None))
            try:
                if not (await asyncio.wait({pull}, timeout=idle_s))[0]:
                    yield None
                piece = await pull
            finally:
                await ended(pull)
            if piece is None:
                return
            yield piece


async def of_text(text: str) -> AsyncGenerator[str, None]:
    """A text that is all there, in pieces."""
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


async def of_file(path: Path) -> AsyncGenerator[str, None]:
    """A file, in pieces; a named pipe as it arrives."""
    descriptor = _opened(path)
    try:
        async for piece in of_descriptor(descriptor, str(path)):
            yield piece
    finally:
        os.close(descriptor)


async def bytes_of(path: Path) -> AsyncGenerator[bytes, None]:
    """The bytes of a file, or with `-` of standard input, as they arrive."""
    if path == Path("-"):
        async for data in _read(sys.stdin.fileno(), "standard input"):
            yield data
        return
    descriptor = _opened(path)
    try:
        async for data in _read(descriptor, str(path)):
            yield data
    finally:
        os.close(descriptor)


def of_stdin() -> AsyncGenerator[str, None]:
    """Standard input as it arrives."""
    return of_descriptor(sys.stdin.fileno(), "standard input")


async def of_descriptor(descriptor: int, name: str) -> AsyncGenerator[str, None]:
    """What can be read from a descriptor, without waiting for its end. UTF-8, a byte order mark is
    dropped."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        async for data in _read(descriptor, name):
            if piece := decoder.decode(data):
                yield piece
        if piece := decoder.decode(b"", final=True):
            yield piece
    except UnicodeDecodeError as error:
        raise InvalidParameter(f"{name} is not UTF-8: {error.reason}", param="text") from None


async def _read(descriptor: int, name: str) -> AsyncGenerator[bytes, None]:
    """At most `PIECE` bytes at a time."""
    waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)  # epoll takes no regular files
    try:
        while True:
            if waits:
                await _readable(descriptor)
            if not (data := os.read(descriptor, PIECE)):
                return
            yield data
    except IsADirectoryError:
        raise InvalidParameter(f"{name}: Is a directory", param="file") from None


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InvalidParameter(f"{path}: {error.strerror}", param="file") from None


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a device that can't be waited for, like /dev/null, never blocks
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
