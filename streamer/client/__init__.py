"""The Python client: `connect`, then `speak`, or `start` a context and push text or cues into it, or
`subscribe` to a channel.

A thin shell of asyncio and websockets around `protocols.native.Client`. Errors off the wire are raised
as `streamer.errors`; a connection that can't be made or is lost for good without a word is an `OSError`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from os import PathLike
from ssl import SSLContext
from typing import Any

from websockets.asyncio.client import ClientConnection

from streamer.client.context import BUFFER_BYTES, Context
from streamer.client.contexts import Contexts
from streamer.client.dialing import Dial, address_of, first
from streamer.client.link import Link, Owner
from streamer.client.patience import Patience
from streamer.client.remote import Remote
from streamer.client.trust import tls_context
from streamer.client.voices import Voices
from streamer.errors import InvalidParameter
from streamer.protocols import native
from streamer.types import (
    AudioFormat,
    CueOptions,
    Event,
    OptionsUpdate,
    Ready,
    Start,
    Subscribe,
)

__all__ = ["Client", "Context", "Patience", "connect"]

_OPTIONS = frozenset(field.name for field in fields(OptionsUpdate))
_HEARING = frozenset(field.name for field in fields(Subscribe)) - {"context", "channel"}


@asynccontextmanager
async def connect(
    url: str,
    key: str | None = None,
    *,
    ssl: SSLContext | None = None,
    cafile: str | PathLike[str] | None = None,
    fingerprint: str | None = None,
    open_timeout: float = 10.0,
    buffer_bytes: int = BUFFER_BYTES,
    resume: bool = True,
    patience: Patience | None = None,
    **defaults: Any,
) -> AsyncGenerator[Client]:
    """A connection to a server, closed at the end of the block.

    `url`: ws, wss, http or https; without a path `/v1/stream`. `key`: or in the URL as `#key=...`, which is
    never sent in it. By what the server is known over TLS, if not by the usual authorities, is one of `ssl`;
    `cafile`, others in PEM; `fingerprint`, its certificate's SHA-256, compared before anything is sent.
    `buffer_bytes`: how much of one context may wait to be read, and how much text of the
    connection to be sent. `resume`: a lost socket is followed by another, and contexts go on where they
    were, for as long as the server waits; `patience` says how it is tried. `defaults`: options of every
    context, as in `Client.start`. Raises the server's refusal as its typed error, `OSError` where nothing
    answers, `InvalidParameter` for a bad `url` or `key`, a `cafile` that is none, another `fingerprint`.
    """
    address, found = address_of(url, resume=resume)
    known_by = tls_context(address, cafile, fingerprint)
    if ssl is not None and known_by is not None:
        raise InvalidParameter("ssl says whom to trust already", param="ssl")
    dial = Dial(address, key or found, ssl or known_by, open_timeout)
    protocol = native.Client()
    socket = await dial()
    try:
        async with asyncio.timeout(open_timeout):
            ready = await first(socket, protocol, Ready)
        opened = (socket, protocol, ready)
        client = Client(dial, opened, patience or Patience(), buffer_bytes, defaults, resume=resume)
    except BaseException:
        await socket.close()
        raise
    try:
        yield client
    finally:
        await client.aclose()


class Client:
    """An open connection. Contexts run side by side; over a lost socket they wait for the next one."""

    def __init__(
        self,
        dial: Dial,
        opened: tuple[ClientConnection, native.Client, Ready],
        patience: Patience,
        buffer_bytes: int,
        defaults: Mapping[str, Any],
        *,
        resume: bool,
    ) -> None:
        def linked(owner: Owner) -> Link:
            return Link(dial, patience, owner, buffer_bytes, opened, resume=resume)

        self._defaults = dict(defaults)
        self._ids = itertools.count(1)
        self._dial = dial
        self._remote: Remote | None = None
        self._closed = False
        self._contexts = Contexts(linked, buffer_bytes)
        self._link = self._contexts.link

    @property
    def ready(self) -> Ready:
        """What the server greeted with, on the latest socket."""
        return self._link.ready

    @property
    def reconnects(self) -> int:
        """How often a lost socket was followed by another."""
        return self._link.reconnects

    @property
    def connected(self) -> bool:
        """False while a lost socket has no successor yet, and at the end."""
        return self._link.connected

    @property
    def voices(self) -> Voices:
        """The server's voices, over HTTP: listed, made, heard, deleted. Raises `ConnectionError` once it is
        closed."""
        if self._closed:
            raise ConnectionError("the connection is closed")
        if self._remote is None:
            self._remote = Remote(self._dial.address, self._dial.key, self._dial.ssl)
        return Voices(self._remote)

    async def start(self, start: Start | None = None, /, **options: Any) -> Context:
        """Open a context; what the server says of it comes out of iterating it.

        Options are the fields of `OptionsUpdate` (voice, model, language, instructions, speed, pitch,
        volume, seed) and of `Start` (audio, timestamps, lead_ms, cut, lexicon, strict, trace, input, cues,
        captions, channel); `audio` is an `AudioFormat` or the name of a codec, `cues` is a `CueOptions` or a
        mapping of its fields. Or pass a whole `Start`, and nothing beside it.
        """
        if start is None:
            start = _start(f"c{next(self._ids)}", {**self._defaults, **options})
        elif options:
            raise TypeError("start() takes a Start or options, not both")
        return await self._contexts.open(start)

    async def subscribe(self, channel: str, **options: Any) -> Context:
        """Listen to a channel, in a context that is only read, interrupted or cancelled. Options are the
        fields of `Subscribe` (audio, transport, timestamps, captions, back_ms); of the connection's
        defaults those among them hold."""
        usual = {name: value for name, value in self._defaults.items() if name in _HEARING}
        wanted = _with_format({**usual, **options})
        return await self._contexts.open(Subscribe(f"c{next(self._ids)}", channel, **wanted))

    async def speak(self, text: str | AsyncIterable[str], **options: Any) -> AsyncGenerator[Event]:
        """Speak a text, or pieces of it as they come (from a language model, say), and yield what comes
        back, `Done` last. Leaving the iteration cancels; an error of the iterable is raised here."""
        context = await self.start(**options)
        feeder = asyncio.create_task(self._feed(context, text))
        try:
            async for event in context:
                yield event
        finally:
            self._contexts.abandon(context)
            feeder.cancel()
            await asyncio.wait([feeder])

    async def aclose(self) -> None:
        """Close the connection (code 1000: the server frees it at once). Contexts still open fail with
        `ConnectionError`."""
        self._closed = True
        try:
            await self._link.aclose()
        finally:
            try:
                await self._contexts.aclose()
            finally:
                if self._remote is not None:
                    await self._remote.aclose()

    async def _feed(self, context: Context, text: str | AsyncIterable[str]) -> None:
        try:
            if isinstance(text, str):
                await context.push(text)
            else:
                async for piece in text:
                    await context.push(piece)
            await context.end()
        except Exception as error:
            # Also what the context itself failed with: then this changes nothing.
            self._contexts.fail(context, error)


def _start(context: str, options: Mapping[str, Any]) -> Start:
    """`TypeError` for an option there isn't."""
    spoken = {name: value for name, value in options.items() if name in _OPTIONS}
    rest = {name: value for name, value in options.items() if name not in _OPTIONS}
    if isinstance(rest.get("cues"), Mapping):
        rest["cues"] = CueOptions(**rest["cues"])
    return Start(context, OptionsUpdate(**spoken), **_with_format(rest))


def _with_format(options: Mapping[str, Any]) -> dict[str, Any]:
    """A codec's name is a format too."""
    audio = options.get("audio")
    return {**options, **({"audio": AudioFormat(audio)} if isinstance(audio, str) else {})}
