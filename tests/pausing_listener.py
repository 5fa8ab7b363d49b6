"""A listener who plays what comes, pauses and goes on, and writes down what it was told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, TypeVar

import numpy as np

from streamer.config import Settings
from streamer.session import Session
from streamer.types import (
    Audio,
    AudioFormat,
    Continued,
    Done,
    Event,
    Failed,
    Interrupted,
    Mark,
    Packet,
    Paused,
    PcmChunk,
    Samples,
    Segment,
    SegmentStarted,
    Start,
    Word,
    Words,
)
from streamer.voices import Catalogue
from tests.scripted_engine import ScriptedEngine, WordEngine

Kind = TypeVar("Kind")


class Noise(ScriptedEngine):
    """Every word sounds otherwise than every other, so that each sample says where it is from."""

    def _chunks(self, segment: Segment) -> list[PcmChunk]:
        chunks = []
        for number, chunk in enumerate(super()._chunks(segment)):
            source = np.random.default_rng((segment.offset, number))
            length = len(chunk.samples)
            noise: Samples = (source.standard_normal(length) * 0.1).astype(np.float32)
            chunks.append(PcmChunk(noise, chunk.segment, chunk.words, chunk.last))
        return chunks


class NoisyWords(WordEngine, Noise):
    """The same, and takes a segment in pieces."""


class Listener:
    """Plays in the loop's time, at once and without gaps but where nothing has come. Events are sent as the
    server does: under a lock, and not where the epoch has changed meanwhile."""

    def __init__(
        self,
        engine: ScriptedEngine | None = None,
        *,
        start: Start | None = None,
        latency_s: float = 0.0,
        **settings: Any,
    ) -> None:
        self.engine = engine or Noise()
        loop = asyncio.get_running_loop()
        self.session = Session(
            start or Start("c", audio=AudioFormat("pcm_f32le", sample_rate=24000)),
            catalogue=Catalogue({self.engine.name: self.engine}),
            settings=Settings(**settings),
            clock=loop.time,
        )
        self.events: list[Event] = []
        self.dropped: list[Event] = []
        self.lock = asyncio.Lock()
        self._latency_s = latency_s
        self._clock = loop.time
        self._position = 0
        """Heard so far; where it plays, since `_since`."""
        self._since: float | None = None
        self._end = 0
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with aclosing(self.session.events()) as events:
            async for event in events:
                epoch = self.session.epoch
                async with self.lock:
                    if epoch != self.session.epoch:
                        self.dropped.append(event)
                        continue
                    self.events.append(event)
                    if isinstance(event, Audio):
                        self._play(event.packet)
                    if self._latency_s:
                        await asyncio.sleep(self._latency_s)

    def _play(self, packet: Packet) -> None:
        if self.played >= self._end:
            self._position, self._since = self._end, self._clock()
        self._end = packet.pts + packet.duration

    @property
    def rate(self) -> int:
        return self.session._sound.timeline.sample_rate

    @property
    def played(self) -> int:
        """Samples."""
        if self._since is None:
            return self._position
        ran = round((self._clock() - self._since) * self.rate)
        return max(0, min(self._position + ran, self._end))

    async def pause(self, *, report: bool = True) -> Paused:
        async with self.lock:
            at = self.played
            self._position, self._since = at, None
            answer = self.session.pause(1000 * at / self.rate if report else None)
            self.events.append(answer)
        return answer

    def go_on(self) -> None:
        self._position = self._end
        self.session.go_on()

    async def interrupt(self) -> Interrupted:
        async with self.lock:
            await self.stop()
            return self.session.interrupted(1000 * self.played / self.rate)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def over(self) -> Done | Failed:
        await asyncio.wait({self._task})
        self._task.result()
        last = self.events[-1]
        assert isinstance(last, Done | Failed)
        return last

    async def until(self, seconds: float) -> None:
        """So much has been heard; or it is over."""
        while self.played < seconds * self.rate and not self._task.done():
            await asyncio.sleep(0.001)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def words(self) -> list[Word]:
        """As they lie now: those that were unheard at a pause are forgotten."""
        known: list[Word] = []
        for event in self.events:
            if isinstance(event, Paused):
                known = [word for word in known if word.offset < len(event.heard_text)]
            elif isinstance(event, Words):
                known += event.words
        return known

    @property
    def marks(self) -> list[tuple[str, int]]:
        known: list[tuple[str, int]] = []
        cut = 0
        for event in self.events:
            if isinstance(event, Paused):
                cut = event.heard_words[-1].end if event.heard_words else 0
            elif isinstance(event, Continued):
                known = [(name, pts) for name, pts in known if pts < cut]
            elif isinstance(event, Mark):
                known.append((event.mark, event.pts))
        return known

    @property
    def packets(self) -> list[Packet]:
        return [event.packet for event in self.of(Audio)]

    def sound(self) -> Samples:
        """Of `pcm_f32le`, its packets checked for gaps."""
        at, parts = 0, []
        for packet in self.packets:
            assert packet.pts == at
            assert len(packet.data) == 4 * packet.duration
            at += packet.duration
            parts.append(np.frombuffer(packet.data, "<f4"))
        return np.concatenate([np.zeros(0, np.float32), *parts])

    @property
    def segments(self) -> list[SegmentStarted]:
        return self.of(SegmentStarted)
