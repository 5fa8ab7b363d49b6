"""When cues begin, how long they may last, and how fast they are said: laws."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.captions import timing
from streamer.captions.timing import Placed
from streamer.types import CueOptions

SAMPLES = st.integers(0, 10**9)
RATES = st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000])


@given(st.integers(0, 10**8), RATES)
def test_whole_milliseconds_lie_where_their_samples_do(ms: int, rate: int) -> None:
    assert timing.position(ms, 0.0, rate) == round(ms * rate / 1000)
    assert timing.position(ms + 250, 250.0, rate) == timing.position(ms, 0.0, rate)


@given(SAMPLES, SAMPLES, st.lists(SAMPLES))
def test_a_queued_cue_begins_at_its_time_or_when_all_before_have_ended(
    start: int, floor: int, ends: list[int]
) -> None:
    begin = timing.begin(start, floor, map(Placed, ends), "queue")
    assert begin == max([start, floor, *ends])


@given(SAMPLES, st.lists(SAMPLES))
def test_a_cue_without_a_time_begins_behind_the_one_before_it(floor: int, ends: list[int]) -> None:
    for overlap in ("queue", "mix"):
        placed = [Placed(end, end + 1) for end in ends]
        assert timing.begin(None, floor, placed, overlap) == max([floor, *ends])


def test_mixed_cues_sound_at_once_where_their_own_times_overlap() -> None:
    before = [Placed(500, 300)]
    assert timing.begin(200, 0, before, "mix") == 200
    assert timing.begin(300, 0, before, "mix") == 500
    assert timing.begin(200, 0, before, "queue") == 500


def test_a_slot_ends_where_the_next_cue_begins() -> None:
    assert timing.slot(100, 180, [200, 300], 100, "queue") == 100
    assert timing.slot(150, 180, [200], 100, "queue") == 50
    assert timing.slot(250, 180, [200], 100, "queue") == -50


def test_cues_that_begin_together_have_a_slot_together() -> None:
    assert timing.slot(100, 180, [100, 100, 200], 100, "queue") == 100


def test_the_last_slot_ends_with_its_cue_or_never() -> None:
    assert timing.slot(100, 180, [], 100, "queue") == 80
    assert timing.slot(100, None, [], 100, "queue") is None


def test_a_mixed_cue_leaves_room_for_those_that_begin_behind_its_own_time() -> None:
    assert timing.slot(100, 180, [150, 190], 100, "mix") == 90
    assert timing.slot(100, 180, [150], 100, "mix") == 80


@given(st.integers(0, 10**7), st.none() | st.integers(-(10**7), 10**7), st.floats(1, 2))
def test_a_cue_is_hurried_as_much_as_it_needs_and_never_slowed(
    length: int, slot: int | None, most: float
) -> None:
    rate = timing.hurry(length, slot, most)
    assert 1 <= rate <= most
    if slot is None or slot >= length:
        assert rate == 1
    elif rate < most:
        assert abs(length / rate - slot) < 1e-6 * length
    if rate == most and slot is not None and slot > 0 and most > 1:
        assert length / most >= slot * (1 - 1e-9)


@given(st.floats(0.25, 4), st.floats(1, 2))
def test_nobody_is_hurried_beyond_what_a_client_may_ask_for(speed: float, most: float) -> None:
    rate = timing.most_rate(CueOptions(max_rate=most), speed)
    assert 1 <= rate <= most
    assert rate == 1 or rate * speed <= timing.FASTEST * (1 + 1e-9)


@given(RATES, st.integers(0, 60000))
def test_a_cue_is_left_out_beyond_its_bound(rate: int, most_ms: int) -> None:
    options = CueOptions(max_late_ms=most_ms)
    at_most = most_ms * rate // 1000
    assert not timing.too_late(at_most, options, rate)
    assert timing.too_late(at_most + 1, options, rate)


def test_where_cues_are_skipped_rather_than_late_they_are_so_at_once() -> None:
    options = CueOptions(overrun="skip")
    assert not timing.too_late(1200, options, 24000)
    assert timing.too_late(1201, options, 24000)
