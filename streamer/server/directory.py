"""The data directory: made when first needed, 0700, used by one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from streamer.errors import InvalidParameter


def private(path: str, flags: int) -> int:
    """Opener of files that are only for their owner (0600)."""
    return os.open(path, flags, 0o600)


def make_directory(directory: Path) -> None:
    """Make the data directory, for its owner only. Raises `InvalidParameter` where that can't be."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameter(
            f"data_dir {directory} can't be made: {error.strerror}", param="data_dir"
        ) from None


class DirectoryLock:
    """Holds a data directory for one server; the lock goes with the process."""

    def __init__(self, directory: Path) -> None:
        make_directory(directory)
        try:
            self._file = open(directory / "server.lock", "w", opener=private)  # noqa: SIM115
        except OSError as error:
            raise InvalidParameter(
                f"data_dir {directory} can't be written: {error.strerror}", param="data_dir"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise InvalidParameter(
                f"another server uses data_dir {directory}; give this one its own (--data-dir)",
                param="data_dir",
            ) from None

    def close(self) -> None:
        self._file.close()
