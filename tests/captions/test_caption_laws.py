"""What holds of any captions, however they overlap, come out of order or are corrected."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.captions.session import CaptionSession
from streamer.types import Cue, CueOptions, Late, SegmentStarted
from tests import virtual_time
from tests.captions.heard import RATE, Heard, cued, fed, session
from tests.scripted_engine import ScriptedEngine

ALPHABET = "bcdfghklmnprstvw"


@st.composite
def some_cues(draw: st.DrawFn) -> list[Cue]:
    """A few, with names of their own; each text is another."""
    cues = []
    for number in range(draw(st.integers(1, 8))):
        count = draw(st.integers(1, 25))
        letter = ALPHABET[number]
        text = " ".join(f"{letter}a{ALPHABET[n % 16]}o{'i' * (n // 16)}" for n in range(count))
        start = draw(st.none() | st.integers(0, 8000))
        end = None if start is None else draw(st.none() | st.integers(start + 1, start + 4000))
        voice = draw(st.sampled_from([None, "scripted-a", "scripted-b"]))
        cues.append(Cue("c", text, str(number), start, end, voice))
    return cues


OPTIONS = st.builds(
    CueOptions,
    max_rate=st.sampled_from([1.0, 1.35, 2.0]),
    overrun=st.sampled_from(["late", "merge", "skip"]),
    max_late_ms=st.sampled_from([0, 500, 3000, 60000]),
    overlap=st.sampled_from(["queue", "mix"]),
)


def check(come: Heard, cues: Sequence[Cue], options: CueOptions) -> None:
    """Each cue is spoken or skipped; each is at its time, or told to be late, within the bound."""
    segments = {one.cue: one for one in come.of(SegmentStarted)}
    skipped = {cue for cue, _ in come.skipped}
    assert {*segments} | skipped == {cue.id for cue in cues}
    late = {one.cue: one.by for one in come.of(Late)}
    bound = options.max_late_ms
    if options.overrun == "skip":
        bound = min(bound, 50)
    for cue in cues:
        one = segments.get(cue.id)
        assert cue.id not in skipped or one is None
        if one is None or cue.start_ms is None:
            continue
        by = one.start - round(cue.start_ms * RATE / 1000)
        assert by == late.get(cue.id, 0)
        assert by * 1000 <= bound * RATE
        assert 1 <= one.rate <= options.max_rate
    ends = [cue.end_ms for cue in cues if cue.end_ms is not None]
    assert come.done.samples >= max(ends, default=0) * RATE / 1000
    assert come.done.samples == len(come.sound)


@settings(max_examples=60, deadline=None)
@given(some_cues(), OPTIONS)
def test_every_cue_is_at_its_time_or_told(cues: list[Cue], options: CueOptions) -> None:
    come = virtual_time.run(cued(cues, cues=options))
    check(come, cues, options)
    again = virtual_time.run(cued(cues, cues=options))
    assert [one.start for one in come.of(SegmentStarted)] == [
        one.start for one in again.of(SegmentStarted)
    ]


@settings(max_examples=40, deadline=None)
@given(
    some_cues(),
    OPTIONS,
    st.lists(st.integers(0, 3000), min_size=8, max_size=8),
    st.integers(0, 1000),
)
def test_live_every_cue_is_at_its_time_or_told(
    cues: list[Cue], options: CueOptions, waits_ms: list[int], delay_ms: int
) -> None:
    options = CueOptions(
        delay_ms=delay_ms,
        max_rate=options.max_rate,
        overrun=options.overrun,
        max_late_ms=options.max_late_ms,
        overlap=options.overlap,
    )

    async def script(one: CaptionSession) -> AsyncIterator[None]:
        for cue, wait_ms in zip(cues, waits_ms, strict=False):
            await asyncio.sleep(wait_ms / 1000)
            one.cue(cue)
        one.end()
        yield

    async def run() -> Heard:
        one = session(ScriptedEngine(), paced=True, cues=options)
        return await fed(one, script(one))

    check(virtual_time.run(run()), cues, options)
