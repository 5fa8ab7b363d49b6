import math

from streamer.timeline import HEARD_MARGIN_S, Pacer, Playhead, Timeline, heard_length
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


def test_paused_a_listener_counts_as_far_ahead_and_then_it_has_what_is_at_hand() -> None:
    clock = Clock()
    pacer = Pacer(clock, 1.0)
    pacer.sent(0.5)
    pacer.pause()
    clock.now += 60
    assert pacer.lead() > 1.0
    pacer.go_on(0.7)
    assert math.isclose(pacer.lead(), 0.7)
    assert pacer.wait() == 0
    pacer.sent(0.2)
    assert math.isclose(pacer.lead(), 0.7)
    pacer.used_up()
    assert math.isclose(pacer.lead(), 0.2)
    assert math.isclose(pacer.played_s, 0.5 - HEARD_MARGIN_S)
    pacer.go_on(0.0)
    assert pacer.lead() == -math.inf


def test_a_playhead_goes_by_reports_else_by_the_pacer_and_never_back() -> None:
    clock = Clock()
    pacer = Pacer(clock, 10.0)
    head = Playhead(pacer, 1000)
    pacer.sent(2.0)
    clock.now += 1.0
    assert head.at(None, 5000) == (1000 - round(1000 * HEARD_MARGIN_S), "server")
    assert head.at(700, 5000) == (700, "client")
    assert head.at(700, 600) == (600, "client")
    head.hold(900, 5000)
    head.report(100)
    assert head.held
    assert head.at(1500, 5000) == (900, "client")
    assert head.go_on() == 900
    assert head.at(None, 5000) == (900, "client")
    head.report(100)
    assert head.at(None, 5000) == (900, "client")
    assert head.at(901, 5000) == (901, "client")


def test_what_was_not_heard_moves_and_keeps_its_order() -> None:
    timeline = Timeline(24000, 48000)
    timeline.mark(0, "first")
    timeline.mark(2, "second")
    timeline.mark(9, "last")
    timeline.add([Word("a", 0, 100, 0), Word("b", 100, 200, 2)], "model")
    assert timeline.marks_before(1000) == [(0, "first"), (200, "second")]
    timeline.go_on(250, 200, 5000, 9000)
    assert timeline.words == [Word("a", 0, 200, 0), Word("b", 9000, 9200, 2)]
    assert (timeline.at(5000), timeline.at(5050), timeline.source(9100)) == (9000, 9100, 5050)
    (third,) = timeline.add([Word("c", 5100, 5200, 4)], "estimated")
    assert (third.start, third.end) == (9200, 9400)
    assert timeline.timings == ["model", "model", "estimated"]
    assert timeline.marks_before(9001) == [(9000, "second")]
    assert timeline.marks_left(9500) == [(9500, "last")]
    timeline.go_on(9200, 9200, 7000, 20000)
    assert timeline.marks_before(30000) == []
    assert timeline.marks_left(30000) == [(30000, "last")]


def test_words_whose_sound_is_gone_are_forgotten() -> None:
    timeline = Timeline(24000, 24000)
    timeline.add([Word("a", 0, 100, 0), Word("b", 100, 200, 2), Word("c", 200, 300, 4)])
    timeline.go_on(100, 150, 1000, 700)
    assert [word.text for word in timeline.words] == ["a", "c"]
    assert timeline.heard(1000) == (Word("a", 0, 100, 0), Word("c", 750, 850, 4))
