"""A listener who had nothing to play for a while hears what comes then at its time again."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.captions.pace import BEHIND_S
from streamer.captions.session import CaptionSession
from streamer.config import Settings
from streamer.types import Audio, AudioFormat, Cue, CueOptions, Late, SegmentStarted, Text, Words
from tests import virtual_time
from tests.captions.heard import RATE, Heard, fed, heard, onset, session

Stalls = Sequence[tuple[float, float]]
"""When, in seconds, and for how long."""


def cue(id: str, start_s: float | None, count: int, length_s: float | None = None) -> Cue:
    """Of so many words, a tenth of a second each."""
    start_ms = None if start_s is None else 1000 * start_s
    end_ms = None if start_ms is None or length_s is None else start_ms + 1000 * length_s
    letter = chr(ord("a") + ord(id[-1]) % 26)
    text = " ".join(f"{letter}{chr(ord('a') + number % 26)}" for number in range(count))
    return Cue("c", text, id, start_ms, end_ms)


EACH_SECOND = [cue(str(second), second, 5) for second in range(1, 10)]


def live(
    said: Sequence[Cue],
    /,
    *,
    stands: Stalls = (),
    stuck: Stalls = (),
    ahead_s: float = 1.0,
    **how: object,
) -> Heard:
    """Cues that come so long before their time, on a machine that stands still, or over a socket that is
    stuck."""
    how.setdefault("cues", CueOptions(delay_ms=500))

    async def script(one: CaptionSession) -> AsyncIterator[None]:
        now = asyncio.get_running_loop().time
        begin = now()
        for cue in said:
            await asyncio.sleep((cue.start_ms or 0.0) / 1000 - ahead_s + begin - now())
            one.cue(cue)
        one.end()
        yield

    async def stand() -> None:
        now = asyncio.get_running_loop().time
        begin = now()
        for at_s, seconds in stands:
            await asyncio.sleep(at_s + begin - now())
            virtual_time.stall(seconds)

    async def run() -> Heard:
        one = session(paced=True, **how)  # type: ignore[arg-type]
        standing = asyncio.create_task(stand())
        try:
            return await fed(one, script(one), stuck)
        finally:
            await standing

    return virtual_time.run(run())


def behind(come: Heard, cues: Sequence[Cue]) -> Mapping[str, float]:
    """Seconds after its time at which each cue is heard that is spoken; what is told of it has to be right,
    by its samples."""
    late = {one.cue: one.by for one in come.of(Late)}
    times = {cue.id: cue.start_ms for cue in cues if cue.start_ms is not None}
    shift, found = 0, {}
    for one in come.of(SegmentStarted):
        assert one.shift >= shift, "it never goes back"
        shift = one.shift
        if one.cue in times:
            time_ms = times[one.cue]
            assert one.start + one.shift - round(time_ms * RATE / 1000) == late.get(one.cue, 0)
            found[one.cue] = come.heard_s(one.start) - time_ms / 1000
    return found


def shifts(come: Heard) -> list[int]:
    return [one.shift for one in come.of(SegmentStarted)]


@pytest.mark.parametrize("kind", ["stands", "stuck"])
@pytest.mark.parametrize("at_s", [3.2, 3.7, 4.1, 4.6], ids="{} s".format)
def test_after_a_stall_the_next_gap_is_shorter_and_cues_are_in_time_again(
    kind: str, at_s: float
) -> None:
    come = live(EACH_SECOND, **{kind: [(at_s, 1.4)]})  # type: ignore[arg-type]
    assert come.of(SegmentStarted)[1].shift == 0
    by = behind(come, EACH_SECOND)
    assert [*by] == [str(second) for second in range(1, 10)]
    assert max(by.values()) > 0.05, "nothing stalled"
    assert all(abs(by[str(second)]) <= 0.05 for second in (1, 2, 7, 8, 9)), by
    assert 0.3 * RATE < shifts(come)[-1] <= 1.4 * RATE
    assert len(come.sound) == come.done.samples


def test_a_cue_that_the_stall_made_late_is_told_to_be_so() -> None:
    come = live(EACH_SECOND, stands=[(3.7, 2)])
    by = behind(come, EACH_SECOND)
    told = {cue: come.late.get(cue, 0.0) for cue in by}
    assert told["4"] > 1
    for id in by:
        assert by[id] == pytest.approx(told[id], abs=0.05)


def test_what_would_have_been_heard_too_late_by_a_stall_is_skipped() -> None:
    options = CueOptions(delay_ms=500, max_late_ms=1000)
    come = live(EACH_SECOND, stands=[(2.7, 4)], cues=options)
    assert [reason for _, reason in come.skipped] == ["late"] * len(come.skipped)
    assert {cue for cue, _ in come.skipped} >= {"3", "4"}
    by = behind(come, EACH_SECOND)
    assert max(by.values()) <= 1.05
    assert abs(by["9"]) <= 0.05


def test_a_stall_within_speech_leaves_the_speech_whole() -> None:
    cues = [cue("1", 1, 30, 3), cue("2", 4, 5), cue("3", 8, 5)]
    come = live(cues, stands=[(2.5, 2)], lead_ms=200)
    first, second, third = come.of(SegmentStarted)
    assert first.shift == 0
    assert second.start == pytest.approx(4 * RATE, abs=0.01 * RATE)  # where the first one ends
    assert come.late == {"2": pytest.approx(1.8, abs=0.1)}
    assert third.shift == second.shift
    assert abs(behind(come, cues)["3"]) <= 0.05
    silent = come.sound[round(1.05 * RATE) : round(3.95 * RATE)].reshape(-1, RATE // 100)
    assert (abs(silent).max(axis=1) > 0.1).all()
    for told in come.of(Words):
        assert onset(come.sound, told.words[0].start) - told.words[0].start < 0.02 * RATE


def test_mixed_cues_that_sound_are_not_torn_by_a_stall() -> None:
    options = CueOptions(overlap="mix", delay_ms=500)
    cues = [cue("1", 1, 30, 3), cue("2", 2, 10, 2), cue("3", 3.5, 5, 1), cue("4", 8, 5)]
    come = live(cues, stands=[(2.9, 1)], cues=options, lead_ms=200)
    by = behind(come, cues)
    assert abs(by["4"]) <= 0.05
    first = come.of(SegmentStarted)[0]
    assert come.of(Words)[0].words[-1].end - first.start == 3 * RATE
    assert (abs(come.sound[round(1.05 * RATE) : round(3.95 * RATE) : 7]) > 0).any()
    assert len(come.sound) == come.done.samples


def test_stall_after_stall_does_not_add_up() -> None:
    stands = [(at_s, 0.7) for at_s in (1.2, 2.9, 4.4, 5.1, 6.0)]
    come = live(EACH_SECOND, stands=stands)
    by = behind(come, EACH_SECOND)
    assert max(by.values()) < 1
    assert abs(by["9"]) <= 0.05
    assert RATE < shifts(come)[-1] <= 3.5 * RATE


def test_many_little_stalls_do_not_add_up() -> None:
    cues = [cue(str(10 + number), 1.0 + number, 5) for number in range(30)]
    stands = [(0.5 + 0.31 * number, 0.12) for number in range(80)]
    come = live(cues, stands=stands, lead_ms=40)
    by = behind(come, cues)
    assert shifts(come)[-1] > RATE
    assert max(by.values()) <= 0.3


def test_a_listener_who_is_hardly_behind_hears_sample_for_sample() -> None:
    come = live(EACH_SECOND, stuck=[(3.7, 0.1 + BEHIND_S / 2)])
    assert not any(shifts(come))
    assert come.starts == {str(second): second for second in range(1, 10)}


def test_who_never_ran_dry_hears_sample_for_sample() -> None:
    """Speech is far ahead of its listener; of silence there is as much as the delay leaves."""
    cues = [cue("1", 1, 30, 3), cue("2", 4, 5), cue("3", 6, 5)]
    come = live(cues, stands=[(2.0, 0.5)], stuck=[(5.5, 0.7)], cues=CueOptions(delay_ms=1200))
    assert not any(shifts(come))
    assert come.starts == {"1": 1, "2": 4, "3": 6}
    assert not come.late


@pytest.mark.parametrize("how", [{"paced": False}, {"paced": True, "background": True}])
def test_what_nobody_plays_as_it_comes_is_as_long_as_its_captions(how: dict[str, bool]) -> None:
    async def run() -> Heard:
        one = session(**how)  # type: ignore[arg-type]
        for cue in EACH_SECOND:
            one.cue(cue)
        one.end()
        return await heard(one, stuck=[(float(second), 1.0) for second in range(20)])

    come = virtual_time.run(run())
    assert not any(shifts(come))
    assert come.starts == {str(second): second for second in range(1, 10)}


def test_the_clock_of_a_first_origin_catches_up_too() -> None:
    cues = [cue(str(second), 100 + second, 5) for second in range(1, 8)]

    async def script(one: CaptionSession) -> AsyncIterator[None]:
        for number, cue in enumerate(cues):
            one.cue(cue)
            await asyncio.sleep(1)
            if number == 3:
                virtual_time.stall(1.5)
        one.end()
        yield

    async def run() -> Heard:
        one = session(paced=True, cues=CueOptions(origin_ms=None, delay_ms=500))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    last = come.of(SegmentStarted)[-1]
    assert last.shift > RATE
    assert come.starts["1"] == 0
    assert last.start + last.shift == 6 * RATE + round(come.late.get("7", 0) * RATE)


def test_a_cue_without_a_time_that_comes_after_a_stall_is_not_late_by_it() -> None:
    async def script(one: CaptionSession) -> AsyncIterator[None]:
        await asyncio.sleep(2)
        virtual_time.stall(2)
        one.cue(Cue("c", "It comes now."))
        await asyncio.sleep(2)
        one.end()
        yield

    async def run() -> Heard:
        one = session(paced=True, cues=CueOptions(max_late_ms=500))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert not come.skipped
    assert max(come.late.values(), default=0.0) < 0.2


def test_the_silence_at_the_end_is_shorter_too() -> None:
    come = live([cue("1", 1, 5, 5)], stuck=[(2.5, 2)], ahead_s=1)
    assert come.done.audio_ms == pytest.approx(4900, abs=100)  # of 6 s
    assert come.heard_s(come.done.samples - 1) == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000])
def test_what_is_told_is_whole_samples_of_the_sound(sample_rate: int) -> None:
    audio = AudioFormat(codec="pcm_s16le", sample_rate=sample_rate)
    come = live(EACH_SECOND, stands=[(3.7, 1.2345)], audio=audio)
    late = {one.cue: one.by for one in come.of(Late)}
    for one in come.of(SegmentStarted):
        assert one.cue is not None
        time = int(one.cue) * sample_rate
        assert one.start + one.shift - time == late.get(one.cue, 0)
    assert shifts(come)[-1] > 0


def test_who_comes_back_hears_what_he_missed_and_then_is_in_time_again() -> None:
    async def script(one: CaptionSession) -> AsyncIterator[None]:
        for cue in EACH_SECOND:
            one.cue(cue)
        await asyncio.sleep(4.5)
        one.missed(1.5)
        one.end()
        yield

    async def run() -> Heard:
        one = session(paced=True, cues=CueOptions(delay_ms=500))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    assert 0.9 * RATE < shifts(come)[-1] < 1.5 * RATE
    last = come.of(SegmentStarted)[-1]
    assert last.start + last.shift == 9 * RATE


def test_text_of_a_file_catches_up() -> None:
    blocks = [f"{n}\n00:00:{n:02}.000 --> 00:00:{n:02}.500\nSo it goes.\n" for n in range(1, 9)]

    async def script(one: CaptionSession) -> AsyncIterator[None]:
        one.text(Text("c", "\n".join(["WEBVTT\n", *blocks])))
        one.end()
        await asyncio.sleep(3.3)
        virtual_time.stall(1.5)
        yield

    async def run() -> Heard:
        one = session(paced=True, settings=Settings(idle_s=5))
        return await fed(one, script(one))

    come = virtual_time.run(run())
    times = [Cue("c", "", str(n), 1000 * n) for n in range(1, 9)]
    assert abs(behind(come, times)["8"]) <= 0.05
    assert shifts(come)[-1] > RATE / 2


@st.composite
def some_cues(draw: st.DrawFn) -> list[Cue]:
    starts = sorted(draw(st.lists(st.integers(0, 9000), min_size=1, max_size=8)))
    return [
        cue(
            str(number), start / 1000, draw(st.integers(1, 20)), draw(st.none() | st.floats(0.1, 3))
        )
        for number, start in enumerate(starts)
    ]


STALLS = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.01, 4)), max_size=4).map(sorted)


@settings(max_examples=60, deadline=None)
@given(
    some_cues(),
    STALLS,
    STALLS,
    st.sampled_from([0, 300, 1500]),
    st.sampled_from(["late", "merge", "skip"]),
    st.sampled_from(["queue", "mix"]),
    st.sampled_from([500, 3000, 60000]),
    st.sampled_from([40, 1000]),
)
def test_whatever_stalls_what_is_told_is_what_is_heard(
    cues: list[Cue],
    stands: list[tuple[float, float]],
    stuck: list[tuple[float, float]],
    delay_ms: int,
    overrun: str,
    overlap: str,
    max_late_ms: int,
    lead_ms: int,
) -> None:
    options = CueOptions(
        delay_ms=delay_ms,
        overrun=overrun,  # type: ignore[arg-type]
        overlap=overlap,  # type: ignore[arg-type]
        max_late_ms=max_late_ms,
    )
    come = live(cues, stands=stands, stuck=stuck, cues=options, lead_ms=lead_ms)
    by = behind(come, cues)
    assert {*by} | {id for id, _ in come.skipped} == {cue.id for cue in cues}
    assert len(come.sound) == come.done.samples
    late = come.late
    assert max(late.values(), default=0.0) * 1000 <= max_late_ms
    for id, heard_late in by.items():
        # What stalls between being told and being heard is not known by then.
        assert heard_late >= late.get(id, 0.0) - 0.05
    packets = [event.packet for event in come.of(Audio)]
    assert all(b.pts == a.pts + a.duration for a, b in pairwise(packets))


@settings(max_examples=12, deadline=None)
@given(some_cues(), STALLS, STALLS)
def test_ten_seconds_after_the_last_stall_all_is_in_time(
    cues: list[Cue], stands: list[tuple[float, float]], stuck: list[tuple[float, float]]
) -> None:
    after = [cue("x", 52, 5, 1), cue("y", 53, 5, 1)]
    come = live([*cues, *after], stands=stands, stuck=stuck)
    by = behind(come, [*cues, *after])
    assert abs(by["x"]) <= 0.05
    assert abs(by["y"]) <= 0.05
