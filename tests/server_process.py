"""The real server in a process of its own, as an operator starts it: its address, its log, its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.listening import kept_port

ROOT = Path(__file__).parent.parent
LISTENING = re.compile(r"Streamer listening on (https?)://([^/\s]+?):(\d+)")
STARTUP_S = 60.0
"""A voice loads in about a second; on a machine that does much else at once it may take longer."""


PROGRAM = ("-m", "streamer")
"""What the interpreter is told to run."""


@dataclass(frozen=True)
class _Launch:
    """How a server is started. `log_path`: what it prints and logs, of every start."""

    before: Sequence[str]
    python: str
    flags: Sequence[str]
    data: Path
    log_path: Path

    def begin(self, program: Sequence[str], port: int) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")}
        environment |= {"PYTHONUNBUFFERED": "1", "STREAMER_DATA_DIR": str(self.data)}
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [*self.before, self.python, *program, "serve", "--port", str(port), *self.flags],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __call__(self, program: Sequence[str], port: int) -> tuple[subprocess.Popen[bytes], str]:
        """The process, and `address:port` once it listens."""
        begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        process = self.begin(program, port)
        try:
            return process, _wait_until_it_listens(process, self.log_path, begin)
        except BaseException:
            process.kill()
            process.wait()
            raise


class ServerProcess:
    """One `streamer serve` on a port that is kept for it. What it prints and logs goes to one file."""

    def __init__(self, launch: _Launch, port: int, program: Sequence[str] = PROGRAM) -> None:
        self.log_path = launch.log_path
        self.data = launch.data
        """Its data directory."""
        self._launch = launch
        self._program = program
        self.process, self.host = launch(program, port)
        """`host` is `address:port`."""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{self.host}/v1/stream"

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """The structured lines of the log."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def metrics(self) -> dict[str, float]:
        """Prometheus samples by name; labels are part of the name, as in `name{code="x"}`."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in pairs}

    def _status(self, field: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(rf"^{field}:\s*(\d+)", text, re.MULTILINE)
        assert found is not None
        return int(found[1])

    def memory(self) -> int:
        """Resident memory in bytes."""
        return self._status("VmRSS") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def files(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self) -> float:
        """Processor time it has used so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text("ascii")
        fields = stat.rpartition(")")[2].split()  # from field 3 of proc(5); utime, stime are 14, 15
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def terminate(self) -> None:
        """Ask it to go (SIGTERM) and return at once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def restart(self, program: Sequence[str] = ()) -> None:
        """Start it again once it has ended: same flags, data directory, port and log."""
        assert self.process.poll() is not None, "it still runs"
        port = int(self.host.rpartition(":")[2])
        self.process, _ = self._launch(program or self._program, port)


def _wait_until_it_listens(process: subprocess.Popen[bytes], log_path: Path, begin: int) -> str:
    deadline = time.monotonic() + STARTUP_S
    while True:
        ended = process.poll() is not None
        log = log_path.read_bytes()[begin:].decode("utf-8", "replace")
        found = LISTENING.search(log)
        if found is not None:
            return f"{found[2]}:{found[3]}"
        if ended or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log}")
        time.sleep(0.02)


@contextlib.contextmanager
def running_server(
    engines: str = "hibari",
    flags: Sequence[str] = (),
    *,
    cpus: Sequence[int] | None = None,
    python: str = sys.executable,
    data: Path | None = None,
    before: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
) -> Iterator[ServerProcess]:
    """A server for the length of a `with` block; it is stopped by SIGTERM, at worst by SIGKILL.

    `flags` are flags of `streamer serve`; `cpus` pins it to these cores; `data` is a data directory that
    outlives it (else one of its own); `before` is a command that runs the server's as its arguments;
    `program` is what the interpreter is told to run.
    """
    if cpus is not None:
        before = ["taskset", "-c", ",".join(map(str, cpus)), *before]
    with tempfile.TemporaryDirectory(prefix="streamer-") as directory, kept_port() as port:
        place = Path(directory)
        launch = _Launch(
            before,
            python,
            ["--engines", engines, *flags],
            data or place / "data",
            place / "server.log",
        )
        server = ServerProcess(launch, port, program)
        try:
            yield server
        finally:
            server.terminate()
            try:
                server.process.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def refusal(
    data: Path, engines: str = "tone", flags: Sequence[str] = (), *, before: Sequence[str] = ()
) -> str:
    """The one line with which a server that can't start on that data directory says why."""
    with tempfile.TemporaryDirectory(prefix="streamer-") as directory:
        log_path = Path(directory) / "server.log"
        launch = _Launch(before, sys.executable, ["--engines", engines, *flags], data, log_path)
        process = launch.begin(PROGRAM, 0)
        try:
            code = process.wait(STARTUP_S)
        finally:
            process.kill()
            process.wait()
        told = [line for line in log_path.read_text("utf-8").splitlines() if line[:1] != "{"]
    assert code == 2, (code, told)
    (line,) = told
    return line
