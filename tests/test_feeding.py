"""A session that is fed: every piece in order, none before there is room, refusals told at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from streamer.errors import InvalidCaptions, TextLimit
from streamer.feeding import PIECE, fed, pieces_of
from streamer.types import Done, Event, Failed, Mark, Text

LIMIT = 1000


class Reader:
    """A session that takes at most `LIMIT` characters and says a mark for each that it has read."""

    def __init__(self, *, speed: int = 400, refuses: str = "", at_end: bool = False) -> None:
        self.got: list[str] = []
        self.most = 0
        self.freed = self.ended = False
        self._speed = speed
        self._refuses = refuses
        self._at_end = at_end
        self._read = 0

    @property
    def characters(self) -> int:
        return sum(map(len, self.got))

    @property
    def pending(self) -> int:
        return self.characters - self._read

    def text(self, command: Text) -> None:
        assert not self.ended
        if self._refuses and self._refuses in command.text:
            raise InvalidCaptions("no")
        if self.pending + len(command.text) > LIMIT:
            raise TextLimit("too much", param="text")
        self.got.append(command.text)
        self.most = max(self.most, self.pending)

    def end(self) -> None:
        if self._at_end:
            raise InvalidCaptions("nothing in it")
        self.ended = True

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            while not self.ended or self.pending:
                await asyncio.sleep(0)
                self._read += min(self.pending, self._speed)
                yield Mark("c", "m", self._read)
            yield Done("c", "end", 0, 0.0, self.characters, None, "reader")
        finally:
            self.freed = True


async def said(session: Reader, text: str) -> list[Event]:
    async with asyncio.timeout(10), aclosing(fed(session, Text("c", text), LIMIT)) as events:
        return [event async for event in events]


@pytest.mark.parametrize("length", [0, 1, PIECE, PIECE + 1, 5000])
@pytest.mark.asyncio
async def test_all_of_a_text_comes_in_order_and_within_the_limit(length: int) -> None:
    session, text = Reader(), "".join(chr(97 + at % 26) for at in range(length))
    told = await said(session, text)
    assert "".join(session.got) == text
    assert isinstance(told[-1], Done)
    assert (session.most <= LIMIT, session.freed) == (True, True)


@pytest.mark.parametrize("limit", [1, 3, 4, 100, 50000])
def test_pieces_fit_into_any_limit(limit: int) -> None:
    pieces = pieces_of("x" * 1001, limit)
    assert sum(map(len, pieces)) == 1001
    assert max(map(len, pieces)) <= min(limit, PIECE)


@pytest.mark.parametrize(("text", "read"), [("BAD", 0), ("x" * 5000 + "BAD", 5000)])
@pytest.mark.asyncio
async def test_a_piece_that_is_refused_ends_it_at_once(text: str, read: int) -> None:
    session = Reader(refuses="BAD")
    told = await said(session, text)
    assert told[-1] == Failed(InvalidCaptions("no"), "c")
    assert session.freed
    assert session.characters == read


@pytest.mark.asyncio
async def test_an_end_that_is_refused_is_told_too() -> None:
    session = Reader(at_end=True)
    assert (await said(session, "x"))[-1] == Failed(InvalidCaptions("nothing in it"), "c")
    assert session.freed


@pytest.mark.asyncio
async def test_who_stops_listening_leaves_nothing_running() -> None:
    session = Reader(speed=1)
    async with aclosing(fed(session, Text("c", "x" * 5000), LIMIT)) as events:
        await anext(events)
    assert session.freed
    assert len(asyncio.all_tasks()) == 1

    task = asyncio.create_task(said(Reader(speed=0), "x" * 5000))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio
async def test_a_fault_of_the_session_is_not_hidden() -> None:
    class Broken(Reader):
        def text(self, command: Text) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await said(Broken(), "x")
