"""One utterance over HTTP: synthesised as fast as the reader takes it, cancelled when the reader goes.

An error before the first sound is raised, so that it becomes a status; later ones cut the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import ExitStack, aclosing
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from streamer.errors import StreamerError
from streamer.feeding import fed, rehearse
from streamer.protocols.base import SpeechRequest
from streamer.server.limits import Slot
from streamer.server.logs import CutShort
from streamer.server.meter import Charge, Meter
from streamer.server.speaking import Speaking
from streamer.types import Audio, Done, Event, Failed, Started, Text

T = TypeVar("T")
Encode = Callable[[Event], bytes]
"""Events to pieces of the body; b"" for what it doesn't say."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def bare(event: Event) -> bytes:
    """The packets alone."""
    return event.packet.data if isinstance(event, Audio) else b""


class Speech:
    """An ASGI answer that speaks. `begin` first, then headers may be set, then call it once.

    `in_band`: `encode` can say an error inside the body; otherwise the body is cut. The text is given to
    the session whole, or so that no more than `feed` characters wait there; then a `rehearsal` passes over
    it first, since what is wrong with it may come after a long silence.
    """

    def __init__(
        self,
        request: SpeechRequest,
        session: Speaking,
        charge: Charge,
        slot: Slot,
        encode: Encode,
        *,
        in_band: bool,
        receive: Receive,
        feed: int | None = None,
        rehearsal: Speaking | None = None,
    ) -> None:
        self.headers: dict[str, str] = {}
        self.started: Started | None = None
        self.status = 200
        self._text = Text(request.start.context, request.text)
        self._feed = feed
        self._rehearsal = rehearsal
        self._session = session
        self._charge = charge
        self._slot = slot
        self._encode = encode
        self._in_band = in_band
        self._receive = receive
        self._events: AsyncGenerator[Event, None] = (
            session.events() if feed is None else fed(session, self._text, feed)
        )
        self._head: list[Event] = []

    async def begin(self) -> None:
        """Speak up to the first packet. Raises `StreamerError`, or `ClientGone`."""
        try:
            text, rehearsal = self._text, self._rehearsal
            if self._feed is None or rehearsal is None:
                self._charge.take(len(text.text), self._session.quote(text))
                self._session.text(text)
                self._session.end()
            else:
                passing = rehearse(rehearsal, text.text, self._feed)
                speaker = await while_listening(self._receive, passing)
                self._charge.take(rehearsal.characters, speaker.cost)
            await while_listening(self._receive, self._first())
        except BaseException as error:
            await self.aclose("failed" if isinstance(error, StreamerError) else "gone")
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises `CutShort` if it could not be finished."""
        outcome = "gone"
        try:
            headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
            await send({"type": "http.response.start", "status": self.status, "headers": headers})
            outcome = await while_listening(self._receive, self._rest(send))
        except ClientGone:
            return
        finally:
            await self.aclose(outcome)
        if outcome == "failed" and not self._in_band:
            raise CutShort
        await send({"type": "http.response.body", "body": b""})

    async def aclose(self, outcome: str) -> None:
        """Free everything; book what was spoken."""
        self._charge.close(self._session, outcome)
        self._slot.release()
        await self._events.aclose()

    async def _first(self) -> None:
        async for event in self._events:
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Started):
                self.started = event
            self._head.append(event)
            # A container's header or trailer without sound may still be followed by an error.
            if isinstance(event, Done) or (isinstance(event, Audio) and event.packet.duration):
                return
        raise RuntimeError("a session ended without saying how")

    async def _rest(self, send: Send) -> str:
        for event in self._head:
            if (outcome := await self._pass_on(event, send)) is not None:
                return outcome
        async with aclosing(self._events) as events:
            async for event in events:
                if (outcome := await self._pass_on(event, send)) is not None:
                    return outcome
        raise RuntimeError("a session ended without saying how")

    async def _pass_on(self, event: Event, send: Send) -> str | None:
        """Send what the event says; how it ended, if it did."""
        self._charge.observe(event)
        if isinstance(event, Failed):
            self._charge.meter.error(event.error)
        piece = self._encode(event)
        if piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if isinstance(event, Failed):
            return "failed"
        return event.reason if isinstance(event, Done) else None


async def while_listening(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; `ClientGone`, and the work cancelled, as soon as the client goes. Its body has
    been read by then."""
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.wait({task, watch})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def open_speech(
    request: SpeechRequest,
    meter: Meter,
    open_session: Callable[[], Speaking],
    encode: Encode,
    *,
    in_band: bool,
    receive: Receive,
    feed: int | None = None,
) -> Speech:
    """A place for it, and its session; `feed` as in `Speech`. Raises what limits or session have against
    it."""
    with ExitStack() as undo:
        slot = meter.connect()
        undo.callback(slot.release)
        charge = meter.start(request.start.context, counted=True)
        undo.callback(charge.close, None, "refused")
        session = open_session()
        rehearsal = None if feed is None else open_session()
        undo.pop_all()
    return Speech(
        *(request, session, charge, slot, encode),
        in_band=in_band,
        receive=receive,
        feed=feed,
        rehearsal=rehearsal,
    )
