"""One call of `synthesize`: text of a context into sequences, their sound into chunks.

A task feeds: it begins a sequence when there is text, gives it more as it runs short, and ends it when no
more is at hand. Whoever iterates takes the chunks that come of it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import numpy as np

from streamer.engines.base import Lead, SequenceCounts
from streamer.engines.qwen3.borders import Pauses
from streamer.engines.qwen3.budget import Budget, another
from streamer.engines.qwen3.codec_config import SAMPLE_RATE
from streamer.engines.qwen3.outbox import Outbox
from streamer.engines.qwen3.sequence import Cutter, Sequence
from streamer.engines.qwen3.source import Source
from streamer.engines.qwen3.speaking import Made, Mouth, Speaking
from streamer.engines.qwen3.tracks import Credit, Event, Failed, Over, Sound, Track
from streamer.errors import EngineFailed
from streamer.tasks import ended
from streamer.text.alignment import client_words
from streamer.types import Options, PcmChunk, Segment

log = logging.getLogger(__name__)

LITTLE_S = 0.4
"""Sound that a listener has left when a sequence is not held open any more for a sentence that may come."""
GRACE_S = 0.02
"""How long one is waited for in any case: whoever has it hands it over within some turns of the loop."""


class Context:
    """`choose` says who speaks with options; it raises typed errors. Where nobody listens (an infinite lead)
    a sequence is handed out once it is over, and said again if it did not come out well."""

    def __init__(
        self,
        segments: AsyncIterator[Segment],
        lead: Lead,
        choose: Callable[[Options], Mouth],
        budget: Budget,
        counts: SequenceCounts,
    ) -> None:
        self._news = asyncio.Event()
        self._source = Source(segments, self._news.set)
        self._choose = choose
        self._budget = budget
        self._counts = counts
        self._outbox = Outbox(lead)

    async def chunks(self) -> AsyncGenerator[PcmChunk, None]:
        """All of it. Closed, it has freed everything."""
        feeder = asyncio.create_task(self._feed())
        try:
            while (item := await self._outbox.take()) is not None:
                if item.speaking is not None:
                    item.speaking.mouth.worker.fetched(item.speaking.track, item.frames)
                for chunk in item.chunks:
                    yield chunk
        finally:
            try:
                await ended(feeder)
            finally:
                await self._source.aclose()

    def fail(self, error: Exception) -> None:
        """End with this, at once."""
        self._outbox.fail(error)

    async def _feed(self) -> None:
        try:
            while (segment := await self._head()) is not None:
                await self._outbox.room()
                if segment.more or client_words(segment.text):
                    await self._speak(segment.options)
                else:
                    self._source.take()
                    nothing = np.zeros(0, np.float32)
                    self._outbox.put(Made([PcmChunk(nothing, segment.index, last=True)]))
            self._source.check()
        except Exception as error:
            self._outbox.put(error)
        else:
            self._outbox.put(None)

    async def _head(self) -> Segment | None:
        """What comes next. Waits for it."""
        while not self._source.known:
            await self._hear(None)
        return self._source.first

    async def _hear(self, seconds: float | None) -> None:
        """Wait for the next segment, or other news."""
        self._news.clear()
        self._source.pull()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _speak(self, options: Options) -> None:
        """One sequence, from what comes next on."""
        mouth = self._choose(options)
        sequence = Sequence(mouth.worker.machine.tokenizer.pieces(), options)
        cutter = Cutter(sequence, Pauses(SAMPLE_RATE, mouth.tempo))
        self._add(sequence, cutter)
        if mouth.ahead:
            await self._gather(sequence, cutter)
        speaking = await self._attempt(mouth, sequence, cutter, options.seed)
        outcome = speaking.outcome
        if not (outcome.good or speaking.sounding) and sequence.ended:
            self._log(speaking, again=True)
            self._counts.retries += 1
            try:
                second = await self._attempt(mouth, sequence, cutter, another(options.seed))
            except EngineFailed:
                if not outcome.frames:
                    raise
            else:
                speaking = max(speaking, second, key=lambda tried: tried.outcome.rank)
        self._conclude(speaking)

    async def _gather(self, sequence: Sequence, cutter: Cutter) -> None:
        """All text that is at hand, and no other."""
        while not sequence.full:
            if not self._source.known:
                await self._hear(GRACE_S if sequence.between else None)
                if not self._source.known:
                    if sequence.between:
                        break
                    continue
            if not self._takes(sequence):
                break
            self._add(sequence, cutter)
        sequence.end()

    async def _attempt(
        self, mouth: Mouth, sequence: Sequence, cutter: Cutter, seed: int
    ) -> Speaking:
        """Speak it until it is over. Raises what it failed with."""

        def tell(event: Event) -> None:
            try:
                self._told(speaking, event)
            except Exception:  # of this context alone: others are told in the same turn
                log.exception("qwen3: sound could not be handed on")
                mouth.worker.cancel(track)
                speaking.failed = Failed(EngineFailed("synthesis failed"))
                self._news.set()

        track = Track(
            mouth.opening,
            tuple(sequence.ids),
            not sequence.ended,
            seed,
            self._budget,
            self._outbox.lead,
            tell,
            asyncio.get_running_loop(),
            mouth.reference,
        )
        speaking = Speaking(mouth, sequence, cutter, track)
        self._outbox.begun(track)
        mouth.worker.open(track)
        try:
            while speaking.over is None:
                if speaking.failed is not None:
                    raise speaking.failed.error
                wait = self._more(speaking)
                if sequence.ended or not speaking.low:
                    self._news.clear()
                    await self._news.wait()
                else:
                    await self._hear(wait)
        finally:
            if speaking.over is None:
                mouth.worker.cancel(track)
            self._outbox.over(track)
        return speaking

    def _more(self, speaking: Speaking) -> float | None:
        """Give it more text, or its end, if it runs short and there is any. How long to wait for more."""
        sequence, source = speaking.sequence, self._source
        if sequence.ended or not speaking.low:
            return None
        if not sequence.full and not source.known:
            if not sequence.between or speaking.dry_at is None:
                return None
            lead = self._outbox.lead()
            wait = speaking.dry_at + GRACE_S - asyncio.get_running_loop().time()
            if lead < math.inf:
                wait = max(wait, lead - LITTLE_S)
            if wait > 0:
                return wait
        speaking.low, speaking.dry_at = False, None
        if not sequence.full and source.known and self._takes(sequence):
            ids = self._add(sequence, speaking.cutter)
        else:
            ids = sequence.end()
        speaking.mouth.worker.feed(speaking.track, ids, sequence.ended)
        return None

    def _takes(self, sequence: Sequence) -> bool:
        """Whether what comes next goes on with it. Raises `EngineFailed` for a segment that is left open."""
        segment = self._source.first
        if segment is not None and sequence.takes(segment):
            return True
        if not sequence.between:
            raise EngineFailed("the text ended within a segment")
        return False

    def _add(self, sequence: Sequence, cutter: Cutter) -> list[int]:
        segment = self._source.take()
        cutter.add(segment)
        return sequence.add(segment)

    def _told(self, speaking: Speaking, event: Event) -> None:
        if isinstance(event, Sound):
            if self._outbox.patient:
                speaking.kept.append(event.samples)
                speaking.mouth.worker.fetched(speaking.track, event.frames)
            else:
                speaking.sounding = True
                self._outbox.put(Made(speaking.cutter.push(event.samples), speaking, event.frames))
            return
        if isinstance(event, Credit):
            speaking.low = True
            if event.dry:
                speaking.dry_at = asyncio.get_running_loop().time()
        elif isinstance(event, Over):
            speaking.over = event
        else:
            speaking.failed = event
        self._news.set()

    def _conclude(self, speaking: Speaking) -> None:
        """Hand out the rest, and put back what was not said at all."""
        outcome, sequence = speaking.outcome, speaking.sequence
        if not outcome.frames:
            raise EngineFailed("the model said nothing")
        for samples in speaking.kept:
            self._outbox.put(Made(speaking.cutter.push(samples)))
        if not outcome.good:
            self._log(speaking, again=False)
        chunks, again = speaking.cutter.end(None if outcome.whole else outcome.heard)
        self._outbox.put(Made(chunks))
        self._source.put_back(again)
        if not sequence.between:  # the last that it still has was left open, and is lost
            self._source.skip(sequence.members[-1].segment.index)

    def _log(self, speaking: Speaking, *, again: bool) -> None:
        outcome = speaking.outcome
        log.warning(
            "qwen3: a sequence did not come out well",
            extra={
                "reason": outcome.reason,
                "frames": outcome.frames,
                "tokens": len(speaking.sequence.ids),
                "whole": outcome.whole,
                "again": again,
            },
        )
