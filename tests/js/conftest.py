"""What the tests of the JavaScript client need: its tools, a server, and pages of another origin."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.venvs import cache_directory
from tests.server_process import ServerProcess, running_server

CLIENT = Path(__file__).parents[2] / "clients" / "js"


@pytest.fixture(scope="session")
def node_modules() -> Path:
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


@pytest.fixture(scope="session")
def tone_server() -> Iterator[ServerProcess]:
    """A server whose words are tones that can be counted."""
    with running_server("tone") as server:
        yield server


class _Files(SimpleHTTPRequestHandler):
    def guess_type(self, path: str | os.PathLike[str]) -> str:
        if str(path).endswith((".js", ".mjs")):
            return "text/javascript; charset=utf-8"
        return super().guess_type(path)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def files_served(directory: Path) -> Iterator[str]:
    """The files of a directory at `http://127.0.0.1:PORT`, on a port of their own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(directory)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def other_origin() -> Iterator[Callable[[Path], str]]:
    """Serves a directory as an origin that is not the server's: call it with the directory."""
    with contextlib.ExitStack() as stack:
        yield lambda directory: stack.enter_context(files_served(directory))
