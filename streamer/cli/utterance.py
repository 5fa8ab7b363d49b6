"""One utterance of `say` or `captions`, spoken in this process or by a server: text in, events out."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from streamer.captions.session import CaptionSession
from streamer.cli.server import Server
from streamer.client import Context, connect
from streamer.config import Settings
from streamer.session import Session
from streamer.sessions import open_session
from streamer.types import Event, Start, Text
from streamer.voices import Catalogue

FOREVER_S = 10.0 * 365 * 86400
"""A person at a terminal may think for as long as it takes."""
DEFAULT_ROOM = 1000
"""For a server that does not say how much text may wait."""


class Utterance(Protocol):
    """Text in, events out; `Done` or `Failed` is the last."""

    room: int
    """Most characters that may wait for the voice."""

    @property
    def pending(self) -> int | None:
        """Characters that wait for it; None where only the server knows."""
        ...

    async def push(self, text: str) -> None: ...
    async def flush(self) -> None: ...
    async def end(self) -> None: ...
    def events(self) -> AsyncIterator[Event]: ...


@asynccontextmanager
async def in_process(
    start: Start, catalogue: Catalogue, settings: Settings, *, paced: bool = False
) -> AsyncGenerator[Utterance, None]:
    """Spoken here, as fast as it can be made unless it is `paced`; the catalogue is closed at the end, since
    threads that still synthesise while Python ends bring the process down."""
    patient = replace(settings, idle_s=FOREVER_S)
    if start.input == "text":  # of captions a session keeps no more than that, and goes on
        patient = replace(patient, max_context_chars=sys.maxsize)
    async with aclosing(catalogue):
        session = open_session(start, catalogue=catalogue, settings=patient, paced=paced)
        async with aclosing(session.events()) as events:
            yield _Local(session, events, settings.max_pending_chars)


class _Local:
    def __init__(
        self, session: Session | CaptionSession, events: AsyncIterator[Event], room: int
    ) -> None:
        self.room = room
        self._session = session
        self._events = events

    @property
    def pending(self) -> int | None:
        return self._session.pending

    async def push(self, text: str) -> None:
        self._session.text(Text(self._session.context, text))

    async def flush(self) -> None:
        self._session.flush()

    async def end(self) -> None:
        self._session.end()

    def events(self) -> AsyncIterator[Event]:
        return self._events


@asynccontextmanager
async def on_server(start: Start, server: Server) -> AsyncGenerator[Utterance, None]:
    """Spoken by a server, over the Python client. Raises `OSError`, naming the URL, without one there."""
    async with AsyncExitStack() as stack:
        try:
            opening = connect(server.url, server.key, ssl=server.ssl)
            client = await stack.enter_async_context(opening)
        except OSError as error:
            place = server.url.partition("#")[0]  # what follows is a key
            raise OSError(f"can't reach {place}: {error.strerror or error}") from None
        limit = int(client.ready.limits.get("max_pending_chars", DEFAULT_ROOM))
        yield _Remote(await client.start(start), limit)


class _Remote:
    def __init__(self, context: Context, room: int) -> None:
        self.room = room
        self._context = context

    @property
    def pending(self) -> int | None:
        return None

    async def push(self, text: str) -> None:
        await self._context.push(text)

    async def flush(self) -> None:
        await self._context.flush()

    async def end(self) -> None:
        await self._context.end()

    def events(self) -> AsyncIterator[Event]:
        return aiter(self._context)
