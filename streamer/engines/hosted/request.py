"""One text spoken by a provider: asked for, polled where it is a task, fetched, decoded as it comes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from streamer.engines.hosted.abandoned import Abandoned
from streamer.engines.hosted.exchange import Exchange, Target
from streamer.engines.hosted.incoming import Incoming
from streamer.errors import EngineFailed, StreamerError
from streamer.fetch import Fetcher, Stream, same_origin
from streamer.guard import Guard
from streamer.protocols.hosted import (
    SAMPLE_RATE,
    Again,
    Call,
    HostedClient,
    Sound,
    SpokenWord,
    Step,
    Unreadable,
    Utterance,
    retry_after,
    unreadable,
)
from streamer.tasks import ended
from streamer.types import Samples

FIRST_POLL_S = 0.25
POLL_FACTOR = 1.4
LONGEST_POLL_S = 2.0
POLLS_FAILED = 3
"""A task is given up when asking for it has failed so often in a row, or was answered with what can't be
read."""
TRIES = 4
SOONEST_S = 0.1
"""A provider that asks to come back is asked so often in all, and not sooner than this."""
PATIENT_S = 1.0
"""A provider that asks to come back is obeyed where it takes no longer than this, or than the listener
has sound; else whoever called may know another."""
SLICE_BYTES = 4096
"""What is decoded before the loop gets a turn: half a second of Opus, 2 ms."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Samples at `SAMPLE_RATE`, of `total` if that is known, or word times of the whole request, which
    come first."""

    samples: Samples | None = None
    words: tuple[SpokenWord, ...] = ()
    total: int | None = None


class Requests:
    """Speaks with one provider. Raises `EngineFailed` and nothing else."""

    def __init__(
        self,
        client: HostedClient,
        target: Target,
        fetcher: Fetcher,
        guard: Callable[[], Guard],
        abandoned: Abandoned,
    ) -> None:
        self._client = client
        self._target = target
        self._fetcher = fetcher
        self._guard = guard
        self._abandoned = abandoned

    async def speak(
        self, utterance: Utterance, spare_s: Callable[[], float]
    ) -> AsyncGenerator[Heard, None]:
        """The sound as it comes. `spare_s`: how long the listener can wait."""
        exchange = Exchange(self._client, self._target, self._fetcher, utterance)
        request = _Request(
            self._client, self._target, exchange, self._guard, self._abandoned, utterance
        )
        for left in reversed(range(TRIES)):
            try:
                async with aclosing(request.heard()) as heard:
                    async for part in heard:
                        yield part
                return
            except EngineFailed as error:
                told = error.details.get("retry_after_s")
                final = exchange.given or request.given_up or not error.retryable
                if final or not left or told is None:
                    raise
                wait = max(SOONEST_S, told)
                if wait > max(PATIENT_S, spare_s()) or exchange.left() <= wait:
                    raise
            await asyncio.sleep(wait)


class _Request:
    """One utterance, from the first call to the last sample."""

    def __init__(
        self,
        client: HostedClient,
        target: Target,
        exchange: Exchange,
        guard: Callable[[], Guard],
        abandoned: Abandoned,
        utterance: Utterance,
    ) -> None:
        self._client = client
        self._target = target
        self._exchange = exchange
        self._guard = guard
        self._abandoned = abandoned
        self._utterance = utterance
        self._step: Step | None = None
        """How far it is: None until a request has been taken, and is to be paid."""

    @property
    def given_up(self) -> bool:
        """Whether a task was taken, and has been left before its end."""
        return isinstance(self._step, Again)

    async def heard(self) -> AsyncGenerator[Heard, None]:
        """From where it was left: what has been taken is not asked for again."""
        if self._step is None:
            async with aclosing(self._created()) as parts:
                async for part in parts:
                    yield part
            if self._step is None:
                return
        if isinstance(self._step, Again):
            self._step = await self._polled(self._step)
        async with aclosing(self._sound(self._step)) as parts:
            async for part in parts:
                yield part

    async def _created(self) -> AsyncGenerator[Heard, None]:
        """Ask for it. The sound, where that is the answer; else the next step is known behind it."""
        # An id of its own for each try: some APIs refuse one that they have seen.
        utterance = replace(self._utterance, id=str(uuid.uuid4()))
        call = self._client.create(utterance, utterance.model or self._target.model)
        if self._client.traits.cancels:
            self._step = await self._made(call)
            return
        async with self._exchange.asked(call) as stream:
            if stream.redirected:  # to the sound, whose host knows nothing of the API
                self._step = Sound(url=stream.url)
                async with aclosing(self._file(stream, "")) as parts:
                    async for part in parts:
                        yield part
                self._step = None
                return
            kind = self._client.streams(call, stream.status, stream.headers)
            if kind is not None:
                async with aclosing(self._streamed(stream, kind)) as parts:
                    async for part in parts:
                        yield part
                return
            self._step = await self._read(call, stream)

    # What an answer says

    async def _read(self, call: Call, stream: Stream) -> Step:
        body = await self._exchange.body(stream)
        return self._client.read(call, stream.status, stream.headers, body)

    async def _made(self, call: Call) -> Step:
        """What `create` is answered with. Once it has been sent the answer is waited for, if by nobody
        else, since it tells which task is to be ended."""
        sent = asyncio.Event()
        made = asyncio.create_task(self._making(call, sent.set))
        try:
            return await asyncio.shield(made)
        except asyncio.CancelledError:
            if sent.is_set():
                self._abandoned.end_made(made)
            else:
                await ended(made)
            raise

    async def _making(self, call: Call, leaves: Callable[[], None]) -> Step:
        async with self._exchange.asked(call, leaves) as stream:
            kind = self._client.streams(call, stream.status, stream.headers)
            if kind is not None:
                return Sound(await self._exchange.body(stream), content_type=kind)
            return await self._read(call, stream)

    async def _polled(self, step: Again) -> Sound:
        """Ask until the task is done. One that is left before its end is abandoned."""
        pause_s, failed, over = FIRST_POLL_S, 0, False
        try:
            while True:
                wait = pause_s if step.after_s is None else step.after_s
                await asyncio.sleep(max(0.0, min(wait, self._exchange.left())))
                pause_s = min(LONGEST_POLL_S, pause_s * POLL_FACTOR)
                call = step.call
                status = 0
                try:
                    async with self._exchange.asked(call) as stream:
                        body = await self._exchange.body(stream)
                        status = stream.status
                    found = self._client.read(call, status, stream.headers, body)
                except EngineFailed as error:
                    failed += 1
                    fine = 200 <= status < 300
                    over = fine and not isinstance(error, Unreadable)
                    asking = error.retryable and (
                        (fine and not over) or status in (0, 408, 425, 429, 455) or status >= 500
                    )
                    if not asking or failed >= POLLS_FAILED or self._exchange.left() <= 0:
                        raise
                    told = error.details.get("retry_after_s")
                    step = Again(call, told if told is not None else pause_s)
                    continue
                if isinstance(found, Sound):
                    return found
                step, failed = found, 0
        except BaseException:
            if not over:
                self._abandoned.end(step.call)
            raise

    async def _sound(self, sound: Sound) -> AsyncGenerator[Heard, None]:
        if sound.words:
            yield Heard(words=sound.words)
        if sound.data is not None:
            incoming = Incoming(sound.content_type, SAMPLE_RATE, self._exchange.most_s)
            async with aclosing(self._decoded(_once(sound.data), incoming)) as parts:
                async for part in parts:
                    yield part
            return
        if sound.url is None:
            raise unreadable("it has no sound")
        ours = same_origin(sound.url, self._target.url)
        async with (
            self._exchange.opened("GET", sound.url, {}, b"", ours) as stream,
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
        incoming = Incoming(content_type, SAMPLE_RATE, self._exchange.most_s)
        async with (
            aclosing(stream.chunks()) as chunks,
            aclosing(self._decoded(self._exchange.timely(chunks), incoming)) as parts,
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
                            self._exchange.given += len(samples)
                            yield Heard(samples, total=incoming.total)
            for samples in incoming.flush():
                self._exchange.given += len(samples)
                yield Heard(samples)
            if incoming.whole is not None:
                samples = await self._guard().decode(
                    bytes(incoming.whole), sample_rate=SAMPLE_RATE, max_s=self._exchange.most_s
                )
                self._exchange.given += len(samples)
                yield Heard(samples)
        except EngineFailed:
            raise
        except StreamerError as error:  # the decoders' own; what they say is ours
            raise EngineFailed(f"the provider's sound can't be used: {error.message}") from None
        if not self._exchange.given:
            raise EngineFailed("the provider sent no sound")


async def _once(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data
