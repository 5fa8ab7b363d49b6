"""What is said between us and one provider for one utterance: requests and answers under one deadline."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass

from streamer.errors import EngineFailed, FetchFailed, UrlNotAllowed
from streamer.fetch import Fetcher, Patience, Stream
from streamer.protocols.hosted import SAMPLE_RATE, Call, HostedClient, Utterance

GAP_S = 15.0
"""The longest that a provider may pause within its sound."""
BYTES_PER_S = 400_000
"""Of sound at most: 48 kHz, stereo, 32 bits."""
ANSWER_BYTES = 65_536
"""Of an error, and of whatever else has no sound in it."""
SLOWEST = 4.0
"""A provider may take so many times longer than its sound plays, once `timeout_s` is over."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a provider is, and how it is asked."""

    url: str
    key: str
    model: str
    timeout_s: float


class Exchange:
    """Raises `EngineFailed` and nothing else. `given`: samples handed on, which put the deadline off."""

    def __init__(
        self, client: HostedClient, target: Target, fetcher: Fetcher, utterance: Utterance
    ) -> None:
        self.given = 0
        self.most_s = (30 + len(utterance.text)) / min(1.0, utterance.speed)
        """The longest that its sound can be."""
        self._client = client
        self._target = target
        self._fetcher = fetcher
        self._begun = time.monotonic()
        self._max_bytes = round(self.most_s * BYTES_PER_S)

    def left(self) -> float:
        """Seconds until the deadline."""
        sound_s = self.given / SAMPLE_RATE
        return self._begun + self._target.timeout_s + SLOWEST * sound_s - time.monotonic()

    @asynccontextmanager
    async def asked(
        self, call: Call, leaves: Callable[[], None] | None = None
    ) -> AsyncIterator[Stream]:
        """The provider's answer. `leaves` as of `Fetcher.open`."""
        url, headers = addressed(call, self._client, self._target)
        async with self.opened(call.method, url, headers, call.body, True, leaves) as stream:
            yield stream

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        ours: bool,
        leaves: Callable[[], None] | None = None,
    ) -> AsyncIterator[Stream]:
        """An answer from anywhere; `ours`: from the provider itself."""
        left = self.left()
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
                patience=Patience(left, max(left, GAP_S)),
                leaves=leaves,
            ) as stream:
                yield stream

    async def body(self, stream: Stream) -> bytes:
        """The body of an answer that is not sound: the whole, or the beginning of an error's."""
        stream.max_bytes = self._max_bytes * 2
        fine = 200 <= stream.status < 300
        body = bytearray()
        async with aclosing(self.timely(stream.chunks())) as chunks:
            async for chunk in chunks:
                body += chunk
                if not fine and len(body) > ANSWER_BYTES:  # its status tells enough
                    break
        return bytes(body)

    async def timely(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Chunks within the deadline, which sound that comes puts off."""
        async with aclosing(chunks):
            while True:
                with _told():
                    try:
                        gap_s = GAP_S if self.given else math.inf  # before, it may think
                        async with asyncio.timeout(max(0.0, min(gap_s, self.left()))):
                            chunk = await anext(chunks, None)
                    except TimeoutError:
                        raise _late() from None
                if chunk is None:
                    return
                yield chunk


def addressed(call: Call, client: HostedClient, target: Target) -> tuple[str, dict[str, str]]:
    """Where a call goes, and its headers with the key."""
    return target.url + call.path, {**call.headers, **client.authorize(target.key)}


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
