"""Where the sound of `say` goes: a file that is there only when it is whole, standard output, a player."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

from streamer.errors import InvalidParameter, UnsupportedParameter
from streamer.types import AudioFormat

FORMATS = {
    "opus": AudioFormat("opus", "ogg"),
    "ogg": AudioFormat("opus", "ogg"),
    "mp3": AudioFormat("mp3", "mp3"),
    "aac": AudioFormat("aac", "adts"),
    "flac": AudioFormat("flac", "flac"),
    "wav": AudioFormat("pcm_s16le", "wav"),
    "pcm": AudioFormat("pcm_s16le", "none"),
}
"""What a file is by its ending, or what `--format` names."""

PLAYED_RATE = 48000
PLAYERS = (
    f"aplay -q -t raw -f S16_LE -c 1 -r {PLAYED_RATE} -",
    f"paplay --raw --format=s16le --channels=1 --rate={PLAYED_RATE}",
    f"ffplay -loglevel error -nodisp -autoexit -f s16le -ar {PLAYED_RATE} -i -",
)
"""Programs that play raw 16-bit mono from standard input, best first."""


class Sink(Protocol):
    """Takes encoded sound; waits while whoever is behind it is full."""

    async def write(self, data: bytes) -> None: ...


class _File:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    async def write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()


class _Player:
    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin

    async def write(self, data: bytes) -> None:
        self._stdin.write(data)
        await self._stdin.drain()


def format_of(output: str | None, name: str | None) -> AudioFormat:
    """The format for a file name, `-`, or (None) a player; `name` says otherwise."""
    if output is None:
        if name not in (None, "pcm"):
            raise UnsupportedParameter("a player gets pcm; give --output", param="format")
        return replace(FORMATS["pcm"], sample_rate=PLAYED_RATE)
    ending = name or ("wav" if output == "-" else Path(output).suffix.removeprefix(".").lower())
    try:
        return FORMATS[ending]
    except KeyError:
        known = ", ".join(FORMATS)
        param = "format" if name else "output"
        raise InvalidParameter(f"no format {ending!r}; there are {known}", param=param) from None


def player() -> list[str]:
    """The first player there is. Raises `InvalidParameter` if there is none."""
    for command in PLAYERS:
        if shutil.which(command.split()[0]):
            return command.split()
    names = ", ".join(command.split()[0] for command in PLAYERS)
    raise InvalidParameter(f"no player found ({names}): give -o FILE", param="output")


def open_sink(output: str | None, param: str = "output") -> AbstractAsyncContextManager[Sink]:
    """The place for a file name, `-` (standard output) or None (a player). `param` is what errors name."""
    if output is None:
        return _played()
    if output == "-":
        return _printed()
    return _filed(Path(output), param)


@asynccontextmanager
async def _printed() -> AsyncGenerator[Sink, None]:
    if sys.stdout.isatty():
        raise InvalidParameter("sound on a terminal helps nobody: redirect it", param="output")
    yield _File(sys.stdout.buffer)


@asynccontextmanager
async def _filed(path: Path, param: str) -> AsyncGenerator[Sink, None]:
    file, temporary = _create(path, param)
    try:
        with file:
            yield _File(file)
            if temporary is not None:
                finish_wav(file)
        if temporary is not None:
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
    except BaseException:
        if temporary is not None:
            os.unlink(temporary)
        raise


def _create(path: Path, param: str) -> tuple[BinaryIO, str | None]:
    """An open file, and its name until it is whole; none for a device or a pipe, written as they are."""
    try:
        if path.exists() and not path.is_file():
            return path.open("wb"), None
        # A name of its own beside the target: two of us never write into one file.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        return os.fdopen(descriptor, "w+b"), name
    except OSError as error:
        raise InvalidParameter(f"{path}: {error.strerror}", param=param) from None


@asynccontextmanager
async def _played() -> AsyncGenerator[Sink, None]:
    # In a session of its own: a Ctrl+C is for us, who may have more to play.
    process = await asyncio.create_subprocess_exec(
        *player(), stdin=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    try:
        yield _Player(process.stdin)
        process.stdin.close()
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def finish_wav(file: BinaryIO) -> None:
    """Write the true sizes into a WAV header that was written for a stream; leave other files alone.

    RIFF: a four-letter name and a little-endian u32 size before each chunk; "data" is the last one.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) != b"RIFF":
        return
    file.write(struct.pack("<I", size - 8))
    position = 12
    while position + 8 <= size:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            file.seek(position + 4)
            file.write(struct.pack("<I", size - position - 8))
            return
        position += 8 + length + length % 2


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
