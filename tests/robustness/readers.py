"""Clients that read nothing, and handshakes that never end: they cost little, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.robustness.checks import files_back, metric, speaks
from tests.robustness.client import DEADLINE_S, client
from tests.server_process import ServerProcess

STALLED = 'streamer_errors_total{code="stalled_reader"}'


def handshake(host: str) -> bytes:
    """An opening request as any client sends it."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /v1/stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(message: dict[str, Any]) -> bytes:
    """A text message, masked with zeros (RFC 6455, 5.2)."""
    data = json.dumps(message).encode()
    assert 126 <= len(data) < 65536
    return b"\x81\xfe" + len(data).to_bytes(2) + bytes(4) + data


def _connect(server: ServerProcess) -> socket.socket:
    host, _, port = server.host.partition(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    raw.settimeout(DEADLINE_S)
    raw.connect((host, int(port)))
    return raw


def stall(server: ServerProcess) -> socket.socket:
    """A client that asks for a lot, as fast as it comes, and reads none of it."""
    raw = _connect(server)
    raw.sendall(handshake(server.host))
    greeting = b""
    while b"ready" not in greeting:
        greeting += raw.recv(4096)
    audio = {"codec": "pcm_f32le", "sample_rate": 48000, "channels": 2}
    start = {"type": "start", "context": "a", "voice": "tone-low", "audio": audio}
    raw.sendall(frame(start | {"pacing": {"lead_ms": 60000}}))
    raw.sendall(frame({"type": "text", "context": "a", "text": "More of it, and more. " * 100}))
    return raw


async def readers_that_stall_are_cut(server: ServerProcess, count: int) -> int:
    """So many at once, and good clients beside them. Growth of the server's memory, in bytes."""
    await speaks(server)
    before, files = server.memory(), server.files()
    cut = await metric(server, STALLED)
    stalled = await asyncio.gather(*(asyncio.to_thread(stall, server) for _ in range(count)))
    most, deadline = before, time.monotonic() + DEADLINE_S
    try:
        while await metric(server, STALLED) < cut + count:
            assert time.monotonic() < deadline, "stalled readers are not cut"
            await speaks(server)
            most = max(most, server.memory())
        assert await metric(server, "streamer_active_contexts") == 0
        # One that wakes up at once still finds why, behind what it had not read.
        why = b"\x0f\xa1stalled_reader"  # 4001
        assert await asyncio.to_thread(_rest_holds, stalled[0], why)
    finally:
        for raw in stalled:
            raw.close()
    await files_back(server, files)
    await speaks(server)
    return most - before


def _rest_holds(raw: socket.socket, wanted: bytes) -> bool:
    """Whether that comes before the end of the connection."""
    tail = b""
    while piece := raw.recv(1 << 20):
        tail = tail[-len(wanted) :] + piece
        if wanted in tail:
            return True
    return False


async def handshakes_that_never_end(server: ServerProcess, count: int, *, to_the_end: bool) -> None:
    """Half of a request, a byte at a time, or nothing at all: good clients are served meanwhile; and
    all are cut in the end, if that is waited for."""
    await speaks(server)
    files = server.files()
    request = handshake(server.host)
    halves: list[tuple[socket.socket, Iterator[int]]] = []
    try:
        for number in range(count):
            raw, half = _connect(server), number % (len(request) // 2)
            halves.append((raw, iter(request[half:-1])))
            raw.sendall(request[:half])
        async with client(server.websocket_url) as one:
            heard = await one.speak("a", "It works beside them.", voice="tone-low")
            heard.check_complete()
        while to_the_end and server.files() > files:
            for raw, rest in halves[::10]:
                with suppress(OSError):  # it has been cut
                    raw.sendall(bytes([next(rest)]))  # a byte now and then keeps nothing open
            await asyncio.sleep(0.5)
    finally:
        for raw, _ in halves:
            raw.close()
    await files_back(server, files)
    await speaks(server)
