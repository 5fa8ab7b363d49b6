import numpy as np

from streamer.engines.hibari_times import SpokenWord, WordClock, levels, spoken_words
from streamer.types import Word

N = -1


def loud(*decibels: float) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.array(decibels, np.float32)


def test_sounds_without_words_are_no_words() -> None:
    assert spoken_words([N, N, N], np.array([0, 20, 30, 40])) == []


def test_word_lasts_from_its_first_sound_to_its_last() -> None:
    # A pad, two sounds, a space, two sounds, a full stop, a pad; heard three hops before their edges.
    owners = [N, 0, 0, N, 1, 1, N, N]
    edges = np.array([0, 23, 27, 33, 35, 39, 53, 63, 67])
    assert spoken_words(owners, edges) == [
        SpokenWord(0, 20, 30, pauses=False),
        SpokenWord(1, 32, 50, pauses=True),
    ]


def test_word_before_a_comma_pauses() -> None:
    owners = [N, 0, N, N, 1, N, N]
    edges = np.arange(0, 80, 10)
    assert [word.pauses for word in spoken_words(owners, edges)] == [True, True]


def test_level_of_a_hop_is_its_mean_power() -> None:
    sound = np.concatenate([np.full(300, 0.1), np.zeros(300), np.full(299, 1)]).astype(np.float32)
    assert np.allclose(levels(sound), [-20, -120], atol=0.1)


def test_word_before_a_pause_ends_where_its_sound_falls() -> None:
    clock = WordClock([(0, "now")])
    shape = loud(-60, -20, -15, -20, -30, -60, -70, -80, -90, -90)
    (word,) = clock.place([SpokenWord(0, 11, 20, True)], 10, shape, -3000, 10000)
    assert word == Word("now", 300, 1500, 0)


def test_word_without_a_pause_keeps_its_length() -> None:
    clock = WordClock([(0, "now")])
    (word,) = clock.place([SpokenWord(0, 11, 20, False)], 10, loud(*[-90] * 10), -3000, 10000)
    assert word == Word("now", 300, 3000, 0)


def test_words_never_overlap_or_leave_the_sound() -> None:
    clock = WordClock([(0, "a"), (2, "b"), (4, "c")])
    spoken = [SpokenWord(0, 0, 9, False), SpokenWord(1, 5, 12, False), SpokenWord(2, 12, 30, False)]
    words = clock.place(spoken, 0, loud(*[-20] * 30), -600, 4000)
    assert [(word.start, word.end) for word in words] == [(0, 2100), (2100, 3000), (3000, 4000)]


def test_word_without_sounds_stands_between_its_neighbours() -> None:
    clock = WordClock([(0, "a"), (2, "?"), (4, "c"), (6, "d")])
    first = clock.place([SpokenWord(0, 0, 3, False)], 0, loud(*[-20] * 5), 0, 1500)
    then = clock.place([SpokenWord(2, 5, 9, False)], 5, loud(*[-20] * 5), 0, 3000)
    assert [(word.text, word.start, word.end) for word in first + then + clock.rest(3000)] == [
        ("a", 0, 900),
        ("?", 1500, 1500),
        ("c", 1500, 2700),
        ("d", 3000, 3000),
    ]


def test_word_cut_over_two_utterances_is_told_once() -> None:
    clock = WordClock([(0, "99999")])
    assert len(clock.place([SpokenWord(0, 0, 3, False)], 0, loud(*[-20] * 3), 0, 900)) == 1
    assert clock.place([SpokenWord(0, 0, 3, False)], 0, loud(*[-20] * 3), 900, 1800) == ()
