"""A server as a process of its own, with a real session and engine, and real signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

STREAMS = 20
PAUSE_MS = 500
"""More than the pause between two sentences."""
SERVE = """
import sys
from streamer.config import load
from streamer.server.run import serve
settings = load({"engines": "tone", "port": "0", "data_dir": sys.argv[1]}, {})
sys.exit(serve(settings, first_key="first_key" in sys.argv))
"""


class Process:
    """A server process. `logs` fills up while it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.logs: list[str] = []
        self.url = ""

    async def start(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = (await self.process.stdout.readline()).decode()
        found = re.fullmatch(r"Streamer listening on (http://127\.0\.0\.1:\d+/)(.*)\n", line)
        assert found is not None, line
        self.url, self.fragment = found[1], found[2]

    def socket(self, **options: Any) -> connect:
        return connect(self.url.replace("http", "ws") + "v1/stream", compression=None, **options)

    async def read_logs(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.logs.append(line.decode())

    async def drains(self) -> None:
        """The signal has been heard."""
        async with httpx.AsyncClient(base_url=self.url) as http, asyncio.timeout(20):
            while (await http.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.01)

    async def exit_code(self) -> int:
        async with asyncio.timeout(20):
            return await self.process.wait()


@asynccontextmanager
async def server(directory: Path, *arguments: str) -> AsyncIterator[Process]:
    process = Process(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error::ResourceWarning",
            "-c",
            SERVE,
            str(directory),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            },
        )
    )
    logs = asyncio.create_task(process.read_logs())
    try:
        await process.start()
        yield process
    finally:
        if process.process.returncode is None:
            process.process.kill()
        await process.process.wait()
        await logs


async def speak(
    process: Process,
    name: str,
    text: str,
    began: asyncio.Event,
    end: asyncio.Event | None = None,
) -> dict[str, Any]:
    """One utterance; its last message. `end`: when its end is said, else at once."""
    async with process.socket() as socket:
        for message in (
            {"type": "start", "context": name, "pacing": {"lead_ms": 100}},
            {"type": "text", "context": name, "text": text},
        ):
            await socket.send(json.dumps(message))
        over = json.dumps({"type": "end", "context": name})
        if end is None:
            await socket.send(over)
        async for answer in socket:
            if end is not None and not began.is_set() and isinstance(answer, bytes):
                began.set()
                await end.wait()
                await socket.send(over)
            if isinstance(answer, bytes):
                began.set()
            elif (decoded := json.loads(answer))["type"] in ("done", "error"):
                result: dict[str, Any] = decoded
                return result
    raise AssertionError("the socket was closed before the end")


@pytest.mark.asyncio
async def test_sigterm_under_live_streams_lets_all_finish_and_exits_with_0(tmp_path: Path) -> None:
    text = "This utterance is live while the server is told to go. And it goes on to its end."
    async with server(tmp_path) as process:
        began, end = [asyncio.Event() for _ in range(STREAMS)], asyncio.Event()
        # Half of them have said all; however busy the machine is, the others are live.
        speakers = [
            asyncio.create_task(speak(process, f"c{i}", text, event, end if i % 2 else None))
            for i, event in enumerate(began)
        ]
        await asyncio.gather(*(event.wait() for event in began))
        process.process.send_signal(signal.SIGTERM)
        await process.drains()
        assert not any(speaker.done() for speaker in speakers[1::2])
        with pytest.raises(InvalidStatus) as caught:
            async with process.socket():
                pass
        assert caught.value.response.status_code == 503
        end.set()
        ends = await asyncio.gather(*speakers)
        assert [(end["type"], end.get("reason")) for end in ends] == [("done", "end")] * STREAMS
        assert {end["characters"] for end in ends} == {len(text)}
        # Who had nothing to play between the sentences has had some of their pause already.
        lengths = [end["audio_ms"] for end in ends]
        assert max(lengths) - min(lengths) < PAUSE_MS
        assert await process.exit_code() == 0
    logs = "".join(process.logs)
    assert "Traceback" not in logs
    assert "utterance" not in logs
    for line in process.logs:
        assert json.loads(line)["level"] in ("info", "debug"), line


@pytest.mark.asyncio
async def test_second_sigterm_ends_at_once_and_frees_all(tmp_path: Path) -> None:
    text = "A long sentence that nobody will hear to its end, since it is cut. " * 20
    async with server(tmp_path) as process:
        began = asyncio.Event()
        speaker = asyncio.create_task(speak(process, "a", text, began))
        await began.wait()
        process.process.send_signal(signal.SIGTERM)
        await process.drains()
        process.process.send_signal(signal.SIGTERM)
        assert await process.exit_code() == 0
        with pytest.raises((AssertionError, ConnectionClosed)):
            await speaker
    assert not [line for line in process.logs if '"exception"' in line or "Traceback" in line]


@pytest.mark.asyncio
async def test_first_key_opens_the_socket_and_stays_out_of_the_logs(tmp_path: Path) -> None:
    async with server(tmp_path, "first_key") as process:
        key = process.fragment.removeprefix("#key=")
        assert key.startswith("sk-streamer-")
        with pytest.raises(InvalidStatus):
            async with process.socket():
                pass
        async with process.socket(additional_headers={"X-API-Key": key}) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"
        process.process.send_signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert key not in "".join(process.logs)
    async with server(tmp_path, "first_key") as process:
        assert process.fragment == ""
        async with process.socket(additional_headers={"X-API-Key": key}) as socket:
            assert json.loads(await socket.recv())["type"] == "ready"


@pytest.mark.asyncio
async def test_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with server(tmp_path):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVE, str(tmp_path), stderr=asyncio.subprocess.PIPE
        )
        _, error = await other.communicate()
        assert other.returncode == 2
        assert b"another server uses" in error
