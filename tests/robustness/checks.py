"""What must hold of a server after whatever was done to it: nothing in work, nothing leaked, a clean log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

from streamer.text.alignment import client_words
from tests.robustness.client import DEADLINE_S, client
from tests.server_process import ServerProcess

GOOD = "All of it is still well."
GROWTH = 1.05
"""What the memory of a warm server may grow by, however long it works."""


@dataclass(frozen=True)
class Footprint:
    """What a process holds: bytes, threads, file descriptors."""

    memory: int
    threads: int
    files: int


def footprint(server: ServerProcess) -> Footprint:
    return Footprint(server.memory(), server.threads(), server.files())


async def metric(server: ServerProcess, name: str) -> float:
    """One sample; 0 where it has not been counted yet."""
    return (await asyncio.to_thread(server.metrics)).get(name, 0.0)


async def idle(server: ServerProcess) -> None:
    """Wait until the server has no context and no connection. Fails after a while."""
    deadline = time.monotonic() + DEADLINE_S
    names = ("streamer_active_contexts", "streamer_connections")
    while time.monotonic() < deadline:
        values = await asyncio.to_thread(server.metrics)
        left = {name: values[name] for name in names}
        if not any(left.values()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"after {DEADLINE_S:g} s the server still holds {left}")


async def files_back(server: ServerProcess, before: int) -> None:
    """Wait until no more files are open than before; sockets close a moment after their last byte."""
    deadline = time.monotonic() + DEADLINE_S
    while server.files() > before:
        assert time.monotonic() < deadline, f"{server.files()} files are open, {before} were before"
        await asyncio.sleep(0.02)


async def threads_back(server: ServerProcess, before: int) -> None:
    """Wait until there are no more threads than before, but for two: FFmpeg starts some per encoder, the
    loop one or two for files."""
    deadline = time.monotonic() + DEADLINE_S
    while server.threads() > before + 2:
        assert time.monotonic() < deadline, f"{server.threads()} threads, {before} before"
        await asyncio.sleep(0.02)


async def speaks(server: ServerProcess, voice: str = "tone-low") -> None:
    """A good client is served, to the last packet and every word."""
    async with client(server.websocket_url) as one:
        heard = await one.speak("good", GOOD, voice=voice, pacing={"lead_ms": 60000})
        heard.check_complete()
        assert [(w["offset"], w["text"]) for w in heard.words] == client_words(GOOD)


def log_is_clean(server: ServerProcess, *secrets: str, warnings: Collection[str] = ()) -> None:
    """No fault of the server in its log, no other warnings than these events, nothing that is not a log
    line, and none of these words."""
    log = server.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:3000]
    for line in server.log_lines():
        warned = line["level"] == "warning" and line["event"] in warnings
        assert warned or line["level"] in ("debug", "info"), line
        assert "exception" not in line, line
    for secret in secrets:
        assert secret not in log, f"the log holds {secret!r}"
    told = [line for line in log.splitlines() if not line.startswith("{")]
    listening = [line for line in told if line.startswith("Streamer listening on ")]
    assert listening, "it never listened"
    assert told == listening, told[:5]
