"""What of a Runware socket outlives it, and for how long."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from streamer.server.hosted.runware import sessions
from streamer.server.hosted.runware.sessions import Session, Sessions
from streamer.server.websocket import AsgiSocket


class Wire:
    """A client's end: what it was told, or that it takes nothing any more."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.gone = False

    async def send(self, message: Any) -> None:
        if self.gone:
            raise OSError
        if message["type"] == "websocket.send":
            self.told.append(message["text"])


def spawn(work: Any) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)


@pytest.mark.asyncio
async def test_a_session_whose_send_failed_is_forgotten_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "KEPT_S", 0.01)
    begun: list[asyncio.Task[None]] = []

    def noted(work: Any) -> asyncio.Task[None]:
        begun.append(spawn(work))
        return begun[-1]

    all_ = Sessions(1.0, noted)
    session, wire = all_.resume("", "key"), Wire()
    socket = AsgiSocket(wire.send)
    await session.attach(socket)
    wire.gone = True
    await session.say(b"{}")

    assert session.detach(socket), "as the connection does when it ends"
    all_.leave(session)

    await asyncio.gather(*begun)
    assert all_.resume(session.id, "key") is not session


@pytest.mark.asyncio
async def test_the_socket_before_leaves_nothing_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    all_ = Sessions(1.0, spawn)
    session = all_.resume("", "key")
    one, two = AsgiSocket(Wire().send), AsgiSocket(Wire().send)
    await session.attach(one)
    assert await session.attach(two) is one

    assert not session.detach(one)
    assert session.detach(two)


@pytest.mark.asyncio
async def test_the_sessions_of_a_key_that_nobody_hears_hold_so_much_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "KEPT_BYTES", 100)
    all_ = Sessions(1.0, spawn)
    away = [all_.resume("", "key") for _ in range(3)]
    for session in away:
        await session.say(b"x" * 40)
    other, here = all_.resume("", "other"), all_.resume("", "key")
    await other.say(b"y" * 40)
    wire = Wire()
    await here.attach(AsgiSocket(wire.send))
    await here.say(b"z" * 40)

    heard = []
    for session in (*away, other):
        end = Wire()
        await session.attach(AsgiSocket(end.send))
        heard.append(len(end.told))
    assert (heard, wire.told) == ([1, 1, 0, 1], ["z" * 40])


@pytest.mark.asyncio
async def test_a_session_that_is_dropped_holds_nothing() -> None:
    held: Counter[str] = Counter()
    session = Session("key", 1.0, spawn, held)
    await session.say(b"x" * 40)
    assert held == {"key": 40}

    await session.aclose()

    assert not held
