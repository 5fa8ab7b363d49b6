"""Listeners beside the engine's thread, without a server: sockets that get a packet every 20 ms from a loop
in this process, which spends as much of the interpreter on each as the server does. It isn't the bytes
that matter: whoever holds the interpreter's lock holds up the thread that launches steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

PACKET_S = 0.02
PACKET = bytes(80)
COST_S = 0.00013
"""Processor time of one live packet in the server: 0.64 of a core for 100 streams of 50 a second
(`bench.push`)."""
SWITCH_S = 0.001
"""As the server sets it."""
_LISTENERS = """
import selectors, socket, sys
selector = selectors.DefaultSelector()
for _ in range(int(sys.argv[2])):
    selector.register(socket.create_connection(("127.0.0.1", int(sys.argv[1]))), selectors.EVENT_READ)
while selector.get_map():
    for key, _ in selector.select():
        if not key.fileobj.recv(65536):
            selector.unregister(key.fileobj)
"""


@contextlib.contextmanager
def listeners(count: int) -> Iterator[None]:
    """So many live sockets, served by a loop in another thread of this process."""
    before = sys.getswitchinterval()
    begun, ends = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=count) as server:
        port = str(server.getsockname()[1])
        client = subprocess.Popen([sys.executable, "-c", _LISTENERS, port, str(count)])
        thread = threading.Thread(target=_run, args=(server, count, begun, ends), daemon=True)
        sys.setswitchinterval(SWITCH_S)
        try:
            thread.start()
            if not begun.wait(30):
                raise RuntimeError("the sockets did not open")
            yield
        finally:
            ends.set()
            thread.join(30)
            client.kill()
            client.wait()
            sys.setswitchinterval(before)


def _run(server: socket.socket, count: int, begun: threading.Event, ends: threading.Event) -> None:
    asyncio.run(_serve(server, count, begun, ends))


async def _serve(
    server: socket.socket, count: int, begun: threading.Event, ends: threading.Event
) -> None:
    sending: list[asyncio.Task[None]] = []

    async def send(writer: asyncio.StreamWriter, wait: float) -> None:
        due = time.perf_counter() + wait
        while not ends.is_set():
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            busy = time.perf_counter() + COST_S
            while time.perf_counter() < busy:
                pass
            writer.write(PACKET)
            due = max(due + PACKET_S, time.perf_counter() - 1.0)
        writer.close()

    def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wait = PACKET_S * len(sending) / count
        sending.append(asyncio.get_running_loop().create_task(send(writer, wait)))
        if len(sending) == count:
            begun.set()

    async with await asyncio.start_server(accepted, sock=server):
        await asyncio.to_thread(ends.wait)
        await asyncio.gather(*sending)
