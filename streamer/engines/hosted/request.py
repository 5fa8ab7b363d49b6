"""One text spoken by a provider: asked for, polled where it is a task, fetched, decoded as it comes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from streamer.engines.hosted.incoming import Incoming
from streamer.errors import EngineFailed, FetchFailed, StreamerError, UrlNotAllowed
from streamer.fetch import Fetcher, Patience, Stream, same_origin
from streamer.guard import Guard
from streamer.protocols.hosted import (
    SAMPLE_RATE,
    Again,
    Call,
    HostedClient,
    Sound,
    SpokenWord,
    Utterance,
    retry_after,
    unreadable,
)
from streamer.types import Samples

FIRST_POLL_S = 0.25
POLL_FACTOR = 1.4
LONGEST_POLL_S = 2.0
POLLS_FAILED = 3
"""A task is given up when asking for it has failed so often in a row."""
GAP_S = 15.0
"""The longest that a provider may pause within its sound."""
PATIENT_S = 1.0
"""A provider that asks to come back is obeyed where it takes no longer than this, or than the listener
has sound; else whoever called may know another."""
SLICE_BYTES = 4096
"""What is decoded before the loop gets a turn: half a second of Opus, 2 ms."""
BYTES_PER_S = 400_000
"""Of sound at most: 48 kHz, stereo, 32 bits."""
ERROR_BYTES = 65_536
SLOWEST = 4.0
"""A provider may take so many times longer than its sound plays, once `timeout_s` is over."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a provider is, and how it is asked."""

    url: str
    key: str
    model: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples at `SAMPLE_RATE`, or word times of the whole request, which come first."""

    samples: Samples | None = None
    words: tuple[SpokenWord, ...] = ()


class Requests:
    """Speaks with one provider. Raises `EngineFailed` and nothing else."""

    def __init__(
        self, client: HostedClient, target: Target, fetcher: Fetcher, guard: Callable[[], Guard]
    ) -> None:
        self._client = client
        self._target = target
        self._fetcher = fetcher
        self._guard = guard

    async def speak(
        self, utterance: Utterance, spare_s: Callable[[], float]
    ) -> AsyncGenerator[Heard, None]:
        """The sound as it comes. `spare_s`: how long the listener can wait."""
        request = _Request(self._client, self._target, self._fetcher, self._guard, utterance)
        while True:
            try:
                async with aclosing(request.heard()) as heard:
                    async for part in heard:
                        yield part
                return
            except EngineFailed as error:
                wait = error.details.get("retry_after_s")
                if request.given or wait is None or not error.retryable:
                    raise
                if wait > max(PATIENT_S, spare_s()) or not request.has_time_for(wait):
                    raise
            await asyncio.sleep(wait)


class _Request:
    """One utterance, from the first call to the last sample."""

    def __init__(
        self,
        client: HostedClient,
        target: Target,
        fetcher: Fetcher,
        guard: Callable[[], Guard],
        utterance: Utterance,
    ) -> None:
        self._client = client
        self._target = target
        self._fetcher = fetcher
        self._guard = guard
        self._utterance = utterance
        self._begun = time.monotonic()
        self._most_s = (30 + len(utterance.text)) / min(1.0, utterance.speed)
        self._max_bytes = round(self._most_s * BYTES_PER_S)
        self.given = 0
        """Samples handed on."""

    def has_time_for(self, seconds: float) -> bool:
        return self._left() > seconds

    async def heard(self) -> AsyncGenerator[Heard, None]:
        # An id of its own for each try: some APIs refuse one that they have seen.
        utterance = replace(self._utterance, id=str(uuid.uuid4()))
        call = self._client.create(utterance, utterance.model or self._target.model)
        headers = dict(call.headers) | dict(self._client.authorize(self._target.key))
        async with self._opened(call.method, self._url(call), headers, call.body, True) as stream:
            if stream.redirected:  # to the sound, whose host knows nothing of the API
                async with aclosing(self._file(stream, "")) as parts:
                    async for part in parts:
                        yield part
                return
            kind = self._client.streams(call, stream.status, stream.headers)
            if kind is not None:
                async with aclosing(self._streamed(stream, kind)) as parts:
                    async for part in parts:
                        yield part
                return
            step = self._client.read(call, stream.status, stream.headers, await self._body(stream))
        sound = step if isinstance(step, Sound) else await self._polled(step)
        async with aclosing(self._sound(sound)) as parts:
            async for part in parts:
                yield part

    # What an answer says

    async def _polled(self, step: Again) -> Sound:
        """Ask until the task is done."""
        pause_s, failed = FIRST_POLL_S, 0
        while True:
            wait = pause_s if step.after_s is None else step.after_s
            await asyncio.sleep(max(0.0, min(wait, self._left())))
            pause_s = min(LONGEST_POLL_S, pause_s * POLL_FACTOR)
            call = step.call
            headers = dict(call.headers) | dict(self._client.authorize(self._target.key))
            url = self._url(call)
            status = 0
            try:
                async with self._opened(call.method, url, headers, call.body, True) as stream:
                    status = stream.status
                    body = await self._body(stream)
                found = self._client.read(call, status, stream.headers, body)
            except EngineFailed as error:
                failed += 1
                asking = error.retryable and (status in (0, 408, 425, 429) or status >= 500)
                if not asking or failed >= POLLS_FAILED or self._left() <= 0:
                    raise
                told = error.details.get("retry_after_s")
                step = Again(call, told if told is not None else pause_s)
                continue
            if isinstance(found, Sound):
                return found
            step, failed = found, 0

    async def _sound(self, sound: Sound) -> AsyncGenerator[Heard, None]:
        if sound.words:
            yield Heard(words=sound.words)
        if sound.data is not None:
            incoming = Incoming(sound.content_type, SAMPLE_RATE, self._most_s)
            async with aclosing(self._decoded(_once(sound.data), incoming)) as parts:
                async for part in parts:
                    yield part
            return
        if sound.url is None:
            raise unreadable("it has no sound")
        ours = same_origin(sound.url, self._target.url)
        async with (
            self._opened("GET", sound.url, {}, b"", ours) as stream,
            aclosing(self._file(stream, sound.content_type)) as parts,
        ):
            async for part in parts:
                yield part

    async def _file(self, stream: Stream, content_type: str) -> AsyncGenerator[Heard, None]:
        """The sound at a link."""
        if not 200 <= stream.status < 300:
            wait = retry_after(stream.headers)
            details: dict[str, Any] = {} if wait is None else {"retry_after_s": wait}
            raise EngineFailed(f"the link to the sound answered {stream.status}", **details)
        kind = content_type or stream.headers.get("content-type", "")
        async with aclosing(self._streamed(stream, kind)) as parts:
            async for part in parts:
                yield part

    async def _streamed(self, stream: Stream, content_type: str) -> AsyncGenerator[Heard, None]:
        incoming = Incoming(content_type, SAMPLE_RATE, self._most_s)
        async with (
            aclosing(stream.chunks()) as chunks,
            aclosing(self._decoded(self._timely(chunks), incoming)) as parts,
        ):
            async for part in parts:
                yield part

    async def _decoded(
        self, chunks: AsyncGenerator[bytes, None], incoming: Incoming
    ) -> AsyncGenerator[Heard, None]:
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    for at in range(0, len(chunk), SLICE_BYTES):
                        if at:
                            await asyncio.sleep(0)
                        for samples in incoming.push(chunk[at : at + SLICE_BYTES]):
                            self.given += len(samples)
                            yield Heard(samples)
            for samples in incoming.flush():
                self.given += len(samples)
                yield Heard(samples)
            if incoming.whole is not None:
                samples = await self._guard().decode(
                    bytes(incoming.whole), sample_rate=SAMPLE_RATE, max_s=self._most_s
                )
                self.given += len(samples)
                yield Heard(samples)
        except EngineFailed:
            raise
        except StreamerError as error:  # the decoders' own; what they say is ours
            raise EngineFailed(f"the provider's sound can't be used: {error.message}") from None
        if not self.given:
            raise EngineFailed("the provider sent no sound")

    # On the way

    @asynccontextmanager
    async def _opened(
        self, method: str, url: str, headers: dict[str, str], body: bytes, ours: bool
    ) -> AsyncIterator[Stream]:
        left = self._left()
        if left <= 0:
            raise _late()
        with _told():
            async with self._fetcher.open(
                method,
                url,
                headers=headers,
                body=body,
                trusted=ours,
                max_bytes=self._max_bytes,
                patience=Patience(left, GAP_S),
            ) as stream:
                yield stream

    async def _body(self, stream: Stream) -> bytes:
        """The whole body of an answer that is not sound."""
        most = self._max_bytes * 2 if 200 <= stream.status < 300 else ERROR_BYTES
        stream.max_bytes = most
        async with aclosing(self._timely(stream.chunks())) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def _timely(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Chunks within the request's deadline, which sound that comes puts off."""
        async with aclosing(chunks):
            while True:
                with _told():
                    try:
                        async with asyncio.timeout(max(0.0, self._left())):
                            chunk = await anext(chunks, None)
                    except TimeoutError:
                        raise _late() from None
                if chunk is None:
                    return
                yield chunk

    def _left(self) -> float:
        """Seconds until the deadline."""
        sound_s = self.given / SAMPLE_RATE
        return self._begun + self._target.timeout_s + SLOWEST * sound_s - time.monotonic()

    def _url(self, call: Call) -> str:
        return self._target.url + call.path


@contextmanager
def _told() -> Iterator[None]:
    """What fetching has against it, as `EngineFailed`: these URLs are no client's."""
    try:
        yield
    except UrlNotAllowed:
        raise EngineFailed(
            "the provider leads to an address that this server does not open", retryable=False
        ) from None
    except FetchFailed as error:
        if error.details.get("reason") == "timeout":
            raise _late() from None
        raise EngineFailed(f"the provider can't be heard: {error.message}") from None


def _late() -> EngineFailed:
    return EngineFailed("the provider did not answer in time")


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
