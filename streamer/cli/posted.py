"""A whole file of captions, spoken by a server as fast as it can be made: one request over HTTP."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from streamer.cli.server import Server
from streamer.cli.utterance import Utterance
from streamer.client.remote import Remote
from streamer.errors import InvalidParameter
from streamer.protocols.base import RemoteProtocolError, SpeechRequest
from streamer.protocols.native.caption_files import encode_captions
from streamer.protocols.native.http import LineDecoder
from streamer.types import Event, Start


@asynccontextmanager
async def posted(
    start: Start, server: Server, text: AsyncGenerator[str, None]
) -> AsyncGenerator[Utterance, None]:
    """The answer to a file that is read to its end first. Raises as `Remote` does."""
    async with server.remote() as remote:
        yield _Posted(remote, start, text)


class _Posted:
    room = sys.maxsize
    pending = 0

    def __init__(self, remote: Remote, start: Start, text: AsyncGenerator[str, None]) -> None:
        self._remote = remote
        self._start = start
        self._text = text

    async def push(self, text: str) -> None:
        """It is all there."""

    async def flush(self) -> None:
        """Nothing waits."""

    async def end(self) -> None:
        """As it is."""

    async def events(self) -> AsyncIterator[Event]:
        async with aclosing(self._text) as pieces:
            text = "".join([piece async for piece in pieces])
        if not text.strip():
            raise InvalidParameter("no captions", param="file")
        decoder = LineDecoder()
        sent = self._remote.stream(
            "POST",
            "/v1/captions",
            params=dict(encode_captions(SpeechRequest(self._start, text, "lines"))),
            body=text.encode(),
            headers={"content-type": "text/plain; charset=utf-8"},
        )
        try:
            async with aclosing(sent) as answer:
                async for data in answer:
                    for event in decoder.push(data):
                        yield event
            for event in decoder.flush():
                yield event
        except RemoteProtocolError:
            raise OSError("the server does not answer as a Streamer does") from None
