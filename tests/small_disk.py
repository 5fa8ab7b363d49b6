"""A disk of one megabyte that can be filled and emptied: a tmpfs of its own. Needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk: needs root")
"""For tests that take a `SmallDisk`."""


class SmallDisk:
    """`path` is its root directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Take every byte that is left."""
        ballast = os.open(self.path / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        with contextlib.closing(os.fdopen(ballast, "wb", buffering=0)) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def empty(self) -> None:
        """Give them back."""
        (self.path / "ballast").unlink()

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True, timeout=30)


@contextlib.contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[SmallDisk]:
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(mount, timeout=30, capture_output=True).returncode:
        pytest.skip("mounts a small disk: needs root that may mount")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", path], check=True, timeout=30)
