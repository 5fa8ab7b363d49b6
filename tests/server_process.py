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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LISTENING = re.compile(r"Streamer listening on (https?)://([^/\s]+?):(\d+)")
STARTUP_S = 60.0
"""A voice loads in about a second; on a machine that does much else at once it may take longer."""


class ServerProcess:
    """One `streamer serve` on a free port of loopback. What it prints and logs goes to one file."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path, host: str) -> None:
        self.process = process
        self.log_path = log_path
        self.host = host
        """`address:port`."""

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


def _wait_until_it_listens(process: subprocess.Popen[bytes], log_path: Path) -> str:
    deadline = time.monotonic() + STARTUP_S
    while time.monotonic() < deadline:
        found = LISTENING.search(log_path.read_text("utf-8", "replace"))
        if found is not None:
            return f"{found[2]}:{found[3]}"
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the server did not start:\n{log_path.read_text('utf-8', 'replace')}")


@contextlib.contextmanager
def running_server(
    engines: str = "hibari",
    flags: Sequence[str] = (),
    *,
    cpus: Sequence[int] | None = None,
    python: str = sys.executable,
) -> Iterator[ServerProcess]:
    """A server for the length of a `with` block; it is stopped by SIGTERM, at worst by SIGKILL.

    `flags` are flags of `streamer serve`; `cpus` pins it to these cores.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")}
    environment["PYTHONUNBUFFERED"] = "1"
    command = [python, "-m", "streamer", "serve", "--port", "0", "--engines", engines, *flags]
    if cpus is not None:
        command = ["taskset", "-c", ",".join(map(str, cpus)), *command]
    with tempfile.TemporaryDirectory(prefix="streamer-") as directory:
        environment["STREAMER_DATA_DIR"] = str(Path(directory) / "data")
        log_path = Path(directory) / "server.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            host = _wait_until_it_listens(process, log_path)
            yield ServerProcess(process, log_path, host)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
