"""Command lines in processes of their own, and the place that they run in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def isolate(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Run in this directory, without the settings and the data of who runs the tests."""
    for name in [name for name in os.environ if name.startswith("STREAMER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(directory / "xdg"))
    monkeypatch.chdir(directory)


def started(*arguments: str) -> subprocess.Popen[bytes]:
    """`streamer …` in a process and a group of its own, all three streams to us."""
    return subprocess.Popen(
        [sys.executable, "-m", "streamer", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        process_group=0,
    )
