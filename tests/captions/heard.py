"""A context of captions and what comes of it, for tests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from streamer.captions.session import CaptionSession
from streamer.config import Settings
from streamer.engines.base import Engine
from streamer.types import (
    Audio,
    AudioFormat,
    Cue,
    CueOptions,
    Done,
    Event,
    Failed,
    Late,
    Samples,
    SegmentStarted,
    Skipped,
    Start,
    Started,
    Text,
    Words,
)
from streamer.voices import Catalogue
from tests.scripted_engine import ScriptedEngine

Kind = TypeVar("Kind")
PCM = AudioFormat(codec="pcm_s16le", sample_rate=24000)
RATE = 24000
LOUD = 10 ** (-50 / 20)
"""What is louder is heard, as in all benches."""


def session(
    *engines: Engine,
    cues: CueOptions | None = None,
    settings: Settings | None = None,
    paced: bool = False,
    background: bool = False,
    clock: Callable[[], float] | None = None,
    **start: Any,
) -> CaptionSession:
    """Of a scripted engine, 100 ms a word, where none is named."""
    start.setdefault("audio", PCM)
    return CaptionSession(
        Start("c", input="captions", cues=cues or CueOptions(), **start),
        catalogue=Catalogue({engine.name: engine for engine in engines or (ScriptedEngine(),)}),
        settings=settings or Settings(),
        paced=paced,
        background=background,
        clock=clock or _time,
    )


def _time() -> float:
    """Of the loop; 0 before it runs."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


@dataclass
class Heard:
    """Everything that came, and when: seconds of the loop's clock since the first event."""

    events: list[Event] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def sound(self) -> Samples:
        data = b"".join(event.packet.data for event in self.of(Audio))
        return (np.frombuffer(data, "<i2") / 32768).astype(np.float32)

    @property
    def starts(self) -> dict[str, float]:
        """Seconds at which each cue began."""
        return {str(one.cue): one.start / RATE for one in self.of(SegmentStarted)}

    def heard_s(self, sample: int) -> float:
        """When a listener who plays what comes has heard up to that sample, since the first packet came."""
        played, begin = 0.0, None
        for event, at in zip(self.events, self.times, strict=True):
            if isinstance(event, Audio) and event.packet.duration:
                begin = at if begin is None else begin
                packet = event.packet
                played = max(played, at)
                if packet.pts + packet.duration > sample:
                    return played + (sample - packet.pts) / RATE - begin
                played += packet.duration / RATE
        raise ValueError(f"there is no sample {sample}")

    @property
    def late(self) -> dict[str, float]:
        return {one.cue: one.by / RATE for one in self.of(Late)}

    @property
    def skipped(self) -> list[tuple[str, str]]:
        return [(one.cue, one.reason) for one in self.of(Skipped)]

    @property
    def rates(self) -> dict[str, float]:
        return {str(one.cue): one.rate for one in self.of(SegmentStarted)}

    @property
    def done(self) -> Done:
        last = self.events[-1]
        assert isinstance(last, Done), last
        return last

    @property
    def failed(self) -> Failed:
        last = self.events[-1]
        assert isinstance(last, Failed), last
        return last


async def heard(
    session: CaptionSession, *, check: bool = True, stuck: Sequence[tuple[float, float]] = ()
) -> Heard:
    """All of it. `stuck`: from so many seconds on the socket takes nothing for so many."""
    come = Heard()
    now = asyncio.get_running_loop().time
    begin = now()
    left = deque(sorted(stuck))
    async for event in session.events():
        if left and left[0][0] <= now() - begin:
            await asyncio.sleep(left.popleft()[1])
        come.events.append(event)
        come.times.append(now() - begin)
    if check:
        check_order(come)
    return come


async def spoken(text: str, *engines: Engine, **how: Any) -> Heard:
    """A whole file, unpaced."""
    one = session(*engines, **how)
    one.text(Text("c", text))
    one.end()
    return await heard(one)


async def cued(some: Sequence[Cue], *engines: Engine, **how: Any) -> Heard:
    """Cues that are all there at the beginning."""
    one = session(*engines, **how)
    for cue in some:
        one.cue(cue)
    one.end()
    return await heard(one)


async def fed(
    one: CaptionSession,
    script: AsyncIterator[None],
    stuck: Sequence[tuple[float, float]] = (),
) -> Heard:
    """A session while a script gives it cues, and ends it."""

    async def run() -> None:
        async for _ in script:
            pass

    feeding = asyncio.create_task(run())
    try:
        return await heard(one, stuck=stuck)
    finally:
        await feeding


def check_order(come: Heard) -> None:
    """What holds of every context: packets are contiguous; what is told of a cue comes before its sound, and
    that it is late before its segment; words lie in order and quote the input."""
    end = None
    position = 0
    told: set[str] = set()
    for event in come.events:
        match event:
            case Started():
                position = -event.lead_in
            case Audio(packet=packet):
                assert packet.pts == position
                position = end = packet.pts + packet.duration
            case Late(cue=cue, by=by, rate=rate):
                assert by > 0
                assert rate >= 1
                assert cue not in told
            case SegmentStarted(cue=cue, start=start):
                assert cue is not None
                told.add(cue)
                assert start >= (end or 0) - 1
            case Words(words=words):
                assert words[0].start >= (end or 0) - 1
    indices = [segment.index for segment in come.of(SegmentStarted)]
    assert indices == list(range(len(indices)))
    spoken = {segment.cue: segment for segment in come.of(SegmentStarted)}
    for late in come.of(Late):
        assert late.cue in spoken
    if isinstance(come.events[-1], Done):
        assert end is None or come.events[-1].samples == end


NEAR = 30 * RATE
"""As far as speech is looked for."""


def onset(sound: Samples, begin: int) -> int:
    """The first loud sample from there on; the end if there is none near."""
    loud = np.flatnonzero(np.abs(sound[begin : begin + NEAR]) > LOUD)
    return begin + int(loud[0]) if len(loud) else len(sound)


def offset(sound: Samples, end: int) -> int:
    """Behind the last loud sample before; 0 if there is none near."""
    begin = max(0, end - NEAR)
    loud = np.flatnonzero(np.abs(sound[begin:end]) > LOUD)
    return begin + int(loud[-1]) + 1 if len(loud) else 0
