"""What the JavaScript client is tested with, as `clients/js/package-lock.json` pins it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from bench.venvs import cache_directory

CLIENT = Path(__file__).parents[2] / "clients" / "js"
SERVER_TESTS = Path(__file__).parent / "server.test.mjs"
"""What they test wants `SERVER_URL`: a real server that speaks tones."""
EXAMPLE_URL = "http://127.0.0.1:8090"
SPOKEN = ["Hello", "there", "I", "speak", "while", "you", "write"]
"""What the examples say."""


def example(page: Path) -> str:
    """The first example in JavaScript there."""
    block, *_ = re.findall(r"^```js\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


def installed() -> Path:
    """`node_modules` as `clients/js/package-lock.json` pins it. One process makes it while others wait.

    It lies in the cache, not beside a script: a script gets its path and loads from it by
    `createRequire(path + "/from-here.js")`.
    """
    lock = (CLIENT / "package-lock.json").read_bytes()
    name = f"streamer-client-{hashlib.sha256(lock).hexdigest()[:16]}"
    directory = cache_directory() / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{name}.lock").open("w") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            for file in ("package.json", "package-lock.json"):
                shutil.copy(CLIENT / file, directory)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=directory, check=True, timeout=110, stdout=sys.stderr)
            (directory / "complete").touch()
    return directory / "node_modules"


def node_tests(files: Iterable[Path], seconds: float = 100, **environment: str) -> None:
    """They pass; what failed is in the message."""
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=spec", *files],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr
