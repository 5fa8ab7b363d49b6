"""Sockets of a session that come and go at the worst moments: cancelled, stuck, two at once."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from streamer.config import Settings
from streamer.errors import KeyRevoked
from streamer.protocols import native
from streamer.protocols.base import Handshake
from streamer.server.auth import ANONYMOUS, Key
from streamer.server.connection import Connection
from streamer.server.limits import Limits
from streamer.server.meter import Ledger, Meter
from streamer.server.resuming import Resuming
from streamer.server.writer import SocketGone
from streamer.types import Ready, Resume
from streamer.usage import Usage
from tests.server.running import eventually
from tests.server.scripted import ScriptedSession

WORDS = 200
SAID = ["started", *(f"w{i}" for i in range(WORDS)), "done"]


class Socket:
    """Takes what it may: `let` so many messages, all if None. `stuck` once one waits for more to be let,
    `closing` once it is asked to close."""

    def __init__(self, let: int | None = None) -> None:
        self.got: list[str | bytes] = []
        self.code: int | None = None
        self.let = let
        self.hangs = False
        self.stuck = asyncio.Event()
        self.closing = asyncio.Event()
        self._lost = False
        self._changed = asyncio.Event()

    async def send(self, message: str | bytes) -> None:
        while self.let is not None and len(self.got) >= self.let and not self._lost:
            self._changed.clear()
            self.stuck.set()
            await self._changed.wait()
        if self._lost or self.code is not None:
            raise SocketGone
        self.got.append(message)

    async def close(self, code: int, reason: str) -> None:
        self.closing.set()
        if self.hangs:
            await asyncio.Event().wait()
        self.code = code

    def lose(self) -> None:
        self._lost = True
        self._changed.set()


class Client:
    """What a client has of the one context, from its sockets so far."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @property
    def received(self) -> dict[str, int]:
        return {"a": len(self.said) - 1} if self.said else {}

    def read(self, socket: Socket) -> None:
        """All that this socket got, once."""
        for message in socket.got:
            if isinstance(message, bytes):
                sequence, what = int.from_bytes(message[4:8], "big"), message[20:].decode()
            else:
                fields = json.loads(message)
                if "context" not in fields:
                    continue
                sequence, what = fields["sequence"], fields["type"]
            assert sequence == len(self.said), (sequence, what)
            self.said.append(what)
        socket.got = []
        socket.let = 0


@dataclasses.dataclass
class World:
    ledger: Ledger
    settings: Settings
    resuming: Resuming[Connection]
    sessions: list[ScriptedSession] = dataclasses.field(default_factory=list)
    ended: int = 0

    def meter(self, key: Key = ANONYMOUS) -> Meter:
        return Meter(self.ledger, key, "r-1")

    async def begin(self, socket: Socket) -> Connection:
        dialect = native.Server()
        dialect.open(Handshake("/v1/stream", {"resume": "1"}))

        def over(code: int | None) -> None:
            self.ended += 1

        def make(start: object) -> ScriptedSession:
            self.sessions.append(ScriptedSession(start, paced=True))  # type: ignore[arg-type]
            return self.sessions[-1]

        connection = Connection(
            *(dialect, make, self.meter(), self.settings), resuming=self.resuming, ended=over
        )
        connection.attach(socket)
        await connection.open(Ready("s", "t", {}, "r-1"))
        text = " ".join(SAID[1:-1])
        await connection.receive(json.dumps({"type": "text", "context": "a", "text": text}))
        await connection.receive('{"type":"end","context":"a"}')
        return connection


@asynccontextmanager
async def world(directory: Path, **changes: float) -> AsyncIterator[World]:
    """On the way out nothing may be left of it."""
    settings = dataclasses.replace(Settings(), **changes)  # type: ignore[arg-type]
    usage = Usage(directory / "usage.sqlite3")
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks()
    ledger = Ledger(Limits(settings, loop.time), usage, loop.time)
    made = World(ledger, settings, Resuming(ledger.counters))
    try:
        async with asyncio.timeout(30):
            yield made
    finally:
        usage.close()
    await eventually(lambda: asyncio.all_tasks() <= tasks)
    assert not ledger.charges
    assert ledger.counters.detached == 0
    assert made.ended >= 1


async def lose(connection: Connection, socket: Socket) -> None:
    socket.lose()
    await connection.leave(socket, 1005, closed=False)


async def bring_home(connection: Connection, world: World, client: Client) -> None:
    """A last socket, over which all the rest comes; then the client closes it."""
    socket = Socket()
    await connection.take_over(socket, client.received, world.meter())
    async with asyncio.timeout(10):
        while not (client.said and client.said[-1] == "done"):
            await asyncio.sleep(0)
            client.read(socket)
            socket.let = None
            socket._changed.set()
    assert client.said == SAID
    await connection.leave(socket, 1000, closed=True)


@pytest.mark.asyncio
@pytest.mark.parametrize("let", [0, 1, 2, 50])
async def test_a_take_over_that_is_cancelled_loses_nothing(tmp_path: Path, let: int) -> None:
    async with world(tmp_path) as made:
        first, client = Socket(let=10), Client()
        connection = await made.begin(first)
        await eventually(lambda: len(first.got) == 10)
        await lose(connection, first)
        client.read(first)
        second = Socket(let)
        task = asyncio.create_task(connection.take_over(second, client.received, made.meter()))
        await second.stuck.wait()
        assert len(second.got) == let
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await lose(connection, second)
        assert made.ledger.counters.detached == 1
        client.read(second)
        await bring_home(connection, made, client)


@pytest.mark.asyncio
async def test_one_that_is_cancelled_while_it_closes_the_old_socket_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.writer.TAKE_OVER_S", 600.0)
    async with world(tmp_path) as made:
        first, client = Socket(let=10), Client()
        connection = await made.begin(first)
        await eventually(lambda: len(first.got) == 10)
        first.hangs = True
        second = Socket()
        task = asyncio.create_task(connection.take_over(second, {}, made.meter()))
        await first.closing.wait()
        assert not second.got
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await connection.leave(first, None, closed=False)
        assert made.ledger.counters.detached == 0
        await lose(connection, second)
        assert made.ledger.counters.detached == 1
        client.read(first)
        await bring_home(connection, made, client)


@pytest.mark.asyncio
async def test_an_old_socket_that_does_not_close_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.server.writer.TAKE_OVER_S", 0.01)
    async with world(tmp_path) as made:
        first, client = Socket(let=10), Client()
        connection = await made.begin(first)
        first.hangs = True
        await bring_home(connection, made, client)


@pytest.mark.asyncio
async def test_a_message_that_was_stuck_in_a_lost_socket_comes_over_the_next(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, send_timeout_s=600) as made:
        first, client = Socket(let=10), Client()
        connection = await made.begin(first)
        await eventually(lambda: len(first.got) == 10)
        client.read(first)
        await connection.leave(first, None, closed=False)  # it does not say that it is lost
        await eventually(lambda: not made.ledger.charges)
        await bring_home(connection, made, client)


@pytest.mark.asyncio
async def test_a_key_revoked_in_a_take_over_ends_it(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        first = Socket(let=10)
        connection = await made.begin(first)
        await eventually(lambda: len(first.got) == 10)
        first.hangs = True
        second = Socket()
        task = asyncio.create_task(connection.take_over(second, {}, made.meter()))
        await first.closing.wait()
        await connection.fail(KeyRevoked("this key has been revoked"))
        await task
        assert (second.got, second.code) == ([], 1001)
        await connection.leave(second, 1001, closed=False)
        assert made.ended == 1


@pytest.mark.asyncio
async def test_the_credentials_of_the_newest_socket_count(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        first, newest = Socket(), Key(id="", name="newest", sha256="")
        connection = await made.begin(first)
        await lose(connection, first)
        second = Socket()
        await connection.take_over(second, {}, made.meter(newest))
        assert connection._meter.key is newest
        await connection.leave(second, 1000, closed=True)


@pytest.mark.asyncio
async def test_a_session_whose_time_is_up_is_not_found(tmp_path: Path) -> None:
    async with world(tmp_path, resume_s=0.01) as made:
        first = Socket(let=10)
        connection = await made.begin(first)
        await lose(connection, first)
        assert made.resuming.find(Resume("s", "t"), connection) is connection
        await eventually(lambda: made.ended)
        assert made.resuming.find(Resume("s", "t"), connection) is None
        assert made.ledger.counters.resumes == {"resumed": 1, "expired": 1, "lost": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(30))
async def test_whatever_sockets_do_nothing_is_lost_and_nothing_comes_twice(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    async with world(tmp_path) as made:
        client, newest = Client(), Socket(let=chance.randrange(40))
        connection = await made.begin(newest)
        for _ in range(12):
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            # What the last socket got has arrived, or some of it has not.
            newest.lose()
            del newest.got[chance.randrange(len(newest.got) + 1) :]
            client.read(newest)
            late = [newest] if chance.random() < 0.5 else []
            if not late:
                await connection.leave(newest, None, closed=False)
            rivals = [Socket(chance.randrange(40)) for _ in range(chance.choice([1, 1, 2, 3]))]
            tasks = [
                asyncio.create_task(connection.take_over(rival, client.received, made.meter()))
                for rival in rivals
            ]
            for _ in range(chance.randrange(60)):
                await asyncio.sleep(0)
            for loser, task in zip(rivals[:-1], tasks[:-1], strict=True):
                task.cancel()
                late.append(loser)
            for old in late:
                await connection.leave(old, 4003, closed=False)
            if chance.random() < 0.3:
                tasks[-1].cancel()
            else:
                rivals[-1].lose()
            await asyncio.gather(*tasks, return_exceptions=True)
            newest = rivals[-1]
        newest.lose()
        client.read(newest)
        await connection.leave(newest, None, closed=False)
        await bring_home(connection, made, client)
