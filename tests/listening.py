"""A listener on loopback that leaves nothing behind, not even a connection of its last moment; a port that
is kept for one."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

TURNS = 8
"""More of the loop than a connection takes from its accept to its task, or from its abort to its end."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    serve: Serve, at: tuple[str, int] = ("127.0.0.1", 0), tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Each connection is served by a task of its own; the port. At the end the tasks are cancelled and
    the connections aborted, those too that came so late that nobody has served them."""
    tasks: set[asyncio.Future[None]] = set()
    writers: set[asyncio.StreamWriter] = set()
    over = False

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if over:
            writer.transport.abort()
            return
        writers.add(writer)
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def turns() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    listener = await asyncio.start_server(accept, *at, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        over = True
        # A transport made for a listener that has closed is never told of (CPython 3.11, Server._attach).
        for accepting in listener.sockets:
            asyncio.get_running_loop().remove_reader(accepting.fileno())
        await turns()
        listener.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # A task that was cancelled before its first step has closed nothing.
        for writer in writers:
            writer.transport.abort()
        await turns()


@contextmanager
def kept_port() -> Iterator[int]:
    """A port of loopback that the system gives to nobody else, while who listens there comes and goes."""
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]
