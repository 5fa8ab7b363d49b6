"""A session is given the whole of a long text: a piece at a time, as it finds room, while it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from streamer.errors import StreamerError
from streamer.tasks import closed, ended
from streamer.types import Event, Failed, Text
from streamer.voices import Speaker

PIECE = 250
"""Characters that a session is given at a time: segmenting them holds the loop for a third of a
millisecond, or for three where they are lines of three characters."""
FEED_S = 0.05
"""How often a session whose text is full is looked at again."""


class Fed(Protocol):
    """What this needs of `streamer.session.Session`."""

    @property
    def pending(self) -> int: ...

    def text(self, command: Text) -> None: ...

    def end(self) -> None: ...

    def events(self) -> AsyncGenerator[Event, None]: ...


class Rehearsed(Protocol):
    """What a rehearsal needs of one."""

    def text(self, command: Text) -> None: ...

    def end(self) -> None: ...

    def rehearse(self) -> Speaker: ...


def pieces_of(text: str, limit: int) -> list[str]:
    """What a session is given at a time, where no more than `limit` (the setting `max_pending_chars`) may
    wait in it."""
    size = max(1, min(PIECE, limit // 4))
    return [text[at : at + size] for at in range(0, len(text), size)]


async def rehearse(session: Rehearsed, text: str, limit: int) -> Speaker:
    """Who would speak the text. Raises what speaking it would, where that can be known before.

    `limit` is the setting `max_pending_chars`.
    """
    for piece in pieces_of(text, limit):
        session.text(Text("", piece))
        session.rehearse()
        await asyncio.sleep(0)
    session.end()
    return session.rehearse()


async def fed(session: Fed, text: Text, limit: int) -> AsyncGenerator[Event, None]:
    """What the session says while it is given this text, and its end. `Failed`, at once, with what a piece
    or the end is refused for."""
    feeding = asyncio.create_task(_feed(session, text.context, pieces_of(text.text, limit), limit))
    events = session.events()
    pull: asyncio.Task[Event | None] | None = None
    try:
        while not feeding.done():
            pull = pull or asyncio.create_task(_next(events))
            await asyncio.wait({pull, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if pull.done() and not feeding.done():
                event, pull = pull.result(), None
                if event is None:
                    return
                yield event
        if (refusal := feeding.result()) is not None:
            yield Failed(refusal, text.context)
            return
        if pull is not None:
            event = await pull
            pull = None
            if event is None:
                return
            yield event
        async for event in events:
            yield event
    finally:
        try:
            await ended(feeding)
        finally:
            await closed(events, pull)


async def _feed(
    session: Fed, context: str, pieces: Sequence[str], limit: int
) -> StreamerError | None:
    """What a piece, or the end, is refused for."""
    try:
        for at, piece in enumerate(pieces):
            if at:
                await asyncio.sleep(0)
            # Polled: text with nothing to hear in it makes room without any event.
            while session.pending + len(piece) > limit:  # noqa: ASYNC110
                await asyncio.sleep(FEED_S)
            session.text(Text(context, piece))
        session.end()
    except StreamerError as error:
        return error.with_traceback(None)
    return None


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)
