"""What a process can still do after it has confined itself: nothing but compute and talk."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(30)

SCRIPT = """
import json, os, signal, socket, sys
from streamer.guarded.confinement import confine

connection = socket.socket(fileno=int(sys.argv[1]))
confine(connection.fileno(), 1 << 30, 5.0)
told = {}
for name, attempt in {
    "read a file": lambda: os.open(sys.argv[2], os.O_RDONLY),
    "write a file": lambda: os.open(sys.argv[2] + ".new", os.O_CREAT | os.O_WRONLY),
    "open a socket": lambda: socket.socket(),
    "make a pipe": lambda: os.pipe(),
    "copy a descriptor": lambda: os.dup(connection.fileno()),
    "start a process": lambda: os.fork(),
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "delete a file": lambda: os.unlink(sys.argv[2]),
    "look at a file": lambda: os.stat(sys.argv[2]),
    "signal its parent": lambda: os.kill(os.getppid(), 0),
    "take 2 GiB": lambda: bytearray(2 << 30),
}.items():
    try:
        attempt()
    except (OSError, MemoryError) as error:
        told[name] = type(error).__name__
    else:
        told[name] = "done"
connection.sendall(json.dumps([told, dict(os.environ)]).encode())
os._exit(0)
"""
FILTERED = {"run a program", "delete a file", "look at a file", "signal its parent"}
"""What only the filter of system calls refuses for certain, which is there on x86-64."""


@pytest.mark.asyncio
async def test_a_confined_process_can_only_compute_and_answer(tmp_path: Path) -> None:
    path = tmp_path / "canary"
    path.write_text("sings")
    for place, mode in ((path, 0o666), (tmp_path, 0o777)):
        place.chmod(mode)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        with theirs:
            descriptor = theirs.fileno()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", SCRIPT, str(descriptor), str(path), pass_fds=[descriptor]
            )
        answer = b""
        while more := await asyncio.get_running_loop().sock_recv(ours, 65536):
            answer += more
    assert await process.wait() == 0
    told, environment = json.loads(answer)
    assert environment == {}
    if os.uname().machine != "x86_64":
        told = {name: outcome for name, outcome in told.items() if name not in FILTERED}
    assert told.pop("take 2 GiB") == "MemoryError"
    assert {name for name, outcome in told.items() if outcome == "done"} == set()
    assert path.read_text() == "sings"
    assert os.listdir(tmp_path) == ["canary"]
