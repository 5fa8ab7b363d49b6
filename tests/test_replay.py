import numpy as np

from streamer.replay import FadeIn, Ring, Segments
from streamer.timeline import Timeline
from streamer.types import SegmentStarted, Word


def test_a_ring_gives_the_latest_sound_by_reference_and_only_once() -> None:
    ring = Ring()
    sound = np.arange(100, dtype=np.float32)
    for at in range(0, 100, 30):
        ring.append(sound[at : at + 30])
    ring.append(sound[:0])
    ring.keep(45)
    assert (ring.start, ring.end) == (30, 100)
    pieces = ring.take(50)
    np.testing.assert_array_equal(np.concatenate(pieces), sound[50:])
    assert all(np.shares_memory(piece, sound) for piece in pieces)
    assert (ring.start, ring.end, ring.take(0)) == (100, 100, [])


def test_sound_fades_in_once_however_it_is_cut_and_what_was_given_stays() -> None:
    fade, sound = FadeIn(24000), np.ones(300, np.float32)
    assert fade.push(sound) is sound
    whole = FadeIn(24000)
    whole.begin()
    fade.begin()
    pieces = [fade.push(sound[at : at + 7]) for at in range(0, 300, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.push(sound))
    assert (sound == 1).all()
    assert pieces[0][0] < 0.001
    assert (np.concatenate(pieces)[120:] == 1).all()


def _told(index: int, offset: int, start: int) -> SegmentStarted:
    return SegmentStarted("c", index, "text", offset, start, "sentence")


def test_it_goes_on_at_a_word_or_with_its_segment_or_where_it_was() -> None:
    timeline = Timeline(24000, 24000)
    segments = Segments(timeline, kept=True)
    segments.begin(0, lost=False)
    segments.begin(1000, lost=False)
    timeline.add([Word("a", 100, 200, 0), Word("b", 200, 300, 2), Word("c", 1100, 1200, 4)])
    assert segments.cut_at(150, complete=True) == 0
    assert segments.cut_at(250, complete=True) == 200
    assert segments.cut_at(500, complete=True) == 1000
    assert segments.cut_at(1500, complete=True) == 1500
    assert segments.cut_at(1500, complete=False) == 1200


def test_segments_and_words_are_told_again_in_order_and_flagged_again() -> None:
    timeline = Timeline(24000, 24000)
    segments = Segments(timeline, kept=True)
    for index, start in enumerate((0, 1000)):
        segments.begin(start, lost=bool(index))
        segments.latest.told = _told(index, 2 * index, start)
        assert segments.flags(start) == (False, False)
        assert segments.flags(start + 1) == (True, bool(index))
    assert segments.flags(5000) == (False, False)
    timeline.add([Word("a", 0, 100, 0), Word("b", 500, 600, 1), Word("c", 1000, 1100, 2)])
    timeline.go_on(100, 500, 7000, 9000)
    segments.move(500, 8500)
    assert list(segments.retold(9000, 1)) == [
        ((Word("b", 9000, 9100, 1),), "model"),
        _told(1, 2, 9500),
        ((Word("c", 9500, 9600, 2),), "model"),
    ]
    assert segments.flags(9501) == (True, True)
    segments.keep(9600)
    assert segments.latest.start == 9500
