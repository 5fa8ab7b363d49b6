"""The engine: segments spoken by a provider, the next asked for while one plays, in order."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Literal

from streamer.engines.ahead import Ahead
from streamer.engines.base import Lead
from streamer.engines.hosted.abandoned import Abandoned
from streamer.engines.hosted.chunks import Chunks
from streamer.engines.hosted.exchange import Target
from streamer.engines.hosted.pieces import pieces
from streamer.engines.hosted.request import Requests
from streamer.engines.hosted.row import Reading, Row
from streamer.engines.hosted.slots import Slots
from streamer.errors import EngineFailed, InvalidParameter
from streamer.fetch import Fetcher
from streamer.guard import Guard
from streamer.protocols.hosted import SAMPLE_RATE, HostedClient, Traits, Utterance
from streamer.providers import Provider
from streamer.tasks import closed
from streamer.types import Capabilities, PcmChunk, Segment, Voice

if TYPE_CHECKING:
    from streamer.config import Settings

_OUTBOX = 2


class Hosted:
    """See `streamer.engines.base.Engine`. `open` requests are under way, `waiting` wait for a place;
    `abandoned` are tasks that nobody waits for any more."""

    sample_rate = SAMPLE_RATE
    granularity: Literal["sentence", "word"] = "sentence"

    def __init__(
        self, name: str, client: HostedClient, provider: Provider, settings: Settings
    ) -> None:
        traits = client.traits
        self.name = name
        self.capabilities = Capabilities(
            speed=traits.speed,
            pitch=traits.pitch,
            instructions=traits.instructions,
            word_times="model" if traits.words and provider.word_times else "estimated",
            price_per_1000=provider.price_per_1000,
            models=_models(provider, traits),
        )
        self._names = _names(name, provider, traits.voices)
        self.voices: Sequence[Voice] = tuple(
            Voice(voice, name, name=voice, languages=traits.languages) for voice in self._names
        )
        self._limit = provider.text_limit or traits.text_limit
        self._timestamps = traits.words and provider.word_times
        self._key = provider.key
        self._fetcher = Fetcher(
            allow=settings.fetch_allow,
            ports=settings.fetch_ports,
            timeout_s=settings.fetch_timeout_s,
        )
        target = Target(
            (provider.url or traits.url).rstrip("/"),
            provider.key,
            provider.model or traits.model,
            provider.timeout_s,
        )
        _check_voices(name, client, target.model, self._names)
        names = sorted(self._names.items())
        self.version = f"{target.url} {target.model} {names} {self._timestamps}"
        """What else decides how a phrase sounds and is timed, for who keeps it."""
        self.abandoned = Abandoned(name, client, target, self._fetcher)
        self._requests = Requests(client, target, self._fetcher, self._the_guard, self.abandoned)
        self._guard: Guard | None = None
        self._slots = Slots(provider.concurrency)
        self._ahead = Ahead(_OUTBOX)

    @property
    def open(self) -> int:
        return self._slots.taken

    @property
    def waiting(self) -> int:
        return self._slots.waiting

    def synthesize(self, segments: AsyncIterator[Segment], lead: Lead) -> AsyncGenerator[PcmChunk]:
        return self._ahead.iterate(self._chunks(segments, lead))

    async def aclose(self) -> None:
        self._ahead.close()
        await self.abandoned.aclose()
        await self._fetcher.aclose()
        if self._guard is not None:
            await self._guard.aclose()

    def _the_guard(self) -> Guard:
        if self._guard is None:
            self._guard = Guard()
        return self._guard

    async def _chunks(
        self, segments: AsyncIterator[Segment], lead: Lead
    ) -> AsyncGenerator[PcmChunk]:
        row = Row()
        feeder = asyncio.create_task(self._feed(row, segments, lead))
        try:
            while (reading := await row.next()) is not None:
                async with aclosing(reading.chunks()) as chunks:
                    async for chunk in chunks:
                        yield chunk
                row.done()
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, *row.stop(), return_exceptions=True)

    async def _feed(self, row: Row, segments: AsyncIterator[Segment], lead: Lead) -> None:
        """Take segments as they come, as far ahead as may be, and begin each."""
        try:
            await row.room.acquire()
            async for segment in segments:
                row.add(partial(self._speak, segment, lead))
                await row.room.acquire()
        except Exception as error:
            row.end(error)
        else:
            row.end(None)
        finally:
            await closed(segments)

    async def _speak(
        self, segment: Segment, lead: Lead, reading: Reading
    ) -> AsyncGenerator[PcmChunk]:
        """The chunks of one segment, as fast as they come."""
        voice = self._names.get(segment.options.voice.id)
        if voice is None:
            raise EngineFailed(
                f"{self.name} has no voice {segment.options.voice.id!r}", retryable=False
            )
        chunks = Chunks(segment.index, segment.text)
        if not any(map(str.isalnum, segment.text)):  # nothing to say, nothing to pay for
            for chunk in chunks.flush():
                yield chunk
            return
        parts = [part for part in pieces(segment.text, self._limit) if any(map(str.isalnum, part))]
        for number, part in enumerate(parts, 1):
            utterance = self._utterance(part, voice, segment)
            before = chunks.pushed
            try:
                async with (
                    self._slots.place(lambda: (reading.behind, lead())),
                    aclosing(self._requests.speak(utterance, lead)) as heard,
                ):
                    async for found in heard:
                        if found.words and len(parts) == 1:
                            chunks.words(found.words)
                        if found.total is not None and number == len(parts):
                            chunks.expect(before + found.total)
                        if found.samples is not None:
                            for chunk in chunks.push(found.samples):
                                yield chunk
            except EngineFailed as error:
                raise self._named(error) from None
        if chunks.silent:
            raise EngineFailed(f"{self.name}: the provider sent silence")
        for chunk in chunks.flush():
            yield chunk

    def _utterance(self, text: str, voice: str, segment: Segment) -> Utterance:
        options = segment.options
        return Utterance(
            text=text.strip(),
            voice=voice,
            language=options.language,
            instructions=options.instructions,
            speed=options.speed,
            pitch=options.pitch,
            volume=options.volume,
            seed=options.seed,
            timestamps=self._timestamps,
            model=options.model,
        )

    def _named(self, error: EngineFailed) -> EngineFailed:
        """With the provider's name, and for certain without its key."""
        said = error.message.replace(self._key, "…") if self._key else error.message
        return EngineFailed(f"{self.name}: {said}", retryable=error.retryable, **error.details)


def _models(provider: Provider, traits: Traits) -> dict[str, float | None]:
    """Those that a client may name: of the settings, else of its documents; the usual one costs the same
    by its name."""
    others = provider.models or dict.fromkeys(traits.models)
    usual: dict[str, float | None] = {provider.model or traits.model: None}
    return usual | others | usual


def _names(engine: str, provider: Provider, known: Sequence[str]) -> dict[str, str]:
    """Our names of its voices and its own, the default first: those of the settings, else those of its
    documents. A default that these don't name is the only one: then it is another's voices."""
    if provider.voices:
        found = dict(provider.voices)
        first = provider.voice or next(iter(found))
    else:
        first = provider.voice or (known[0] if known else "")
        found = {voice: voice for voice in known if first in known}
    if not first:
        param = f"providers.{engine}.voice"
        raise InvalidParameter(f"{param} must name a voice of the provider", param=param)
    return {first: found.get(first, first), **found}


def _check_voices(engine: str, client: HostedClient, model: str, names: Mapping[str, str]) -> None:
    """Word a request for each voice: what the API has no word for shows now. A model that speaks in the
    voice of a recording has none of the documents' voices."""
    for ours, theirs in names.items():
        try:
            client.create(Utterance("a", theirs, str(uuid.UUID(int=0, version=4))), model)
        except InvalidParameter as error:
            param = f"providers.{engine}.voices"
            raise InvalidParameter(
                f"{param}: {ours!r} is {theirs[:100]!r} there, and {error.message} ({model})",
                param=param,
            ) from None
