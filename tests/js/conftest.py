"""What the tests of the JavaScript client need: its tools, a server, and pages of another origin."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.js.tools import installed
from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="session")
def node_modules() -> Path:
    return installed()


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
