import math

from streamer.timeline import HEARD_MARGIN_S, Pacer, Timeline, heard_length
from streamer.types import Word


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_listener_has_no_lead_before_the_first_sample() -> None:
    assert Pacer(Clock(), 1.0).lead() == -math.inf


def test_lead_falls_as_the_clock_runs_and_tells_for_how_long_the_listener_is_dry() -> None:
    clock = Clock()
    pacer = Pacer(clock, 1.0)
    pacer.sent(0.5)
    clock.now += 0.2
    assert math.isclose(pacer.lead(), 0.3)
    clock.now += 0.5
    assert math.isclose(pacer.lead(), -0.2)


def test_a_dry_listener_starts_again_at_the_next_sample() -> None:
    clock = Clock()
    pacer = Pacer(clock, 1.0)
    pacer.sent(0.5)
    clock.now += 2
    pacer.sent(0.5)
    assert math.isclose(pacer.lead(), 0.5)
    assert math.isclose(pacer.played_s, 0.5 - HEARD_MARGIN_S)


def test_nothing_waits_below_the_bound_and_past_it_a_burst_gathers() -> None:
    clock = Clock()
    pacer = Pacer(clock, 0.2)
    pacer.sent(0.1)
    assert pacer.wait() == 0
    pacer.sent(0.14)
    assert math.isclose(pacer.wait(), 0.04 + 0.05)


def test_a_download_never_waits() -> None:
    pacer = Pacer(Clock(), None)
    pacer.sent(3600)
    assert pacer.wait() == 0


def test_words_are_placed_at_the_output_rate_and_never_overlap() -> None:
    timeline = Timeline(24000, 48000)
    placed = timeline.add([Word("a", 0, 2400, 0), Word("b", 2300, 4800, 2)])
    assert placed == (Word("a", 0, 4800, 0), Word("b", 4800, 9600, 2))


def test_a_word_is_heard_when_its_last_sample_has_been_played() -> None:
    timeline = Timeline(24000, 24000)
    first, second = timeline.add([Word("a", 0, 100, 0), Word("b", 100, 200, 2)])
    assert timeline.heard(99) == ()
    assert timeline.heard(100) == (first,)
    assert timeline.heard(200) == (first, second)


def test_marks_lie_at_the_first_word_behind_them_and_come_once() -> None:
    timeline = Timeline(24000, 24000)
    timeline.mark(2, "m")
    timeline.mark(9, "n")
    timeline.add([Word("a", 0, 100, 0), Word("b", 100, 200, 2)])
    assert timeline.marks_before(100) == []
    assert timeline.marks_before(101) == [(100, "m")]
    assert timeline.marks_before(1000) == []
    assert timeline.marks_left(200) == [(200, "n")]


def test_heard_text_keeps_the_marks_that_stick_to_its_last_word() -> None:
    words = (Word("Hello", 0, 1, 0),)
    assert heard_length('Hello," she said', words) == 7
    assert heard_length("Hello there", words) == 5
    assert heard_length("Hello", ()) == 0


def test_nobody_runs_dry_in_the_background() -> None:
    pacer = Pacer(Clock(), None, background=True)
    assert pacer.lead() == math.inf
    pacer.sent(5)
    assert pacer.lead() == math.inf
    assert pacer.wait() == 0
