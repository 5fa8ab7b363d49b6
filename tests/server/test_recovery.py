"""What becomes of each context, by what the client has of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from streamer.server.recovery import recover
from streamer.server.ring import Ended, Ring
from streamer.types import Audio, AudioFormat, Packet, Recovered, Started

GONE = Recovered(False)


@dataclass
class Live:
    ring: Ring | None
    received: int


def ring(said: int, sent: int, max_s: float = 1e9) -> Ring:
    made = Ring(max_s, 10**9)
    format = AudioFormat("opus", "none", 1000)
    for number in range(said):
        event = Started("a", format, "", b"", 0, "", "", 0) if number == 0 else None
        made.keep(event or Audio("a", Packet(b"", 0, 1000)), str(number))
        if number < sent:
            made.hand(number)
    return made


@pytest.mark.parametrize("last", range(-1, 6))
def test_a_live_context_goes_on_behind_what_arrived(last: int) -> None:
    live = Live(ring(8, 6), 42)
    received = {"a": last} if last >= 0 else {}
    found = recover(received, {"a": live}, {})
    assert found.states == {"a": Recovered(True, 42)}
    assert found.missed == [(live.ring, last + 1)]
    assert not found.lost


def test_who_has_more_than_was_sent_is_lost() -> None:
    found = recover({"a": 6}, {"a": Live(ring(8, 6), 42)}, {})
    assert (found.states, found.missed, found.lost) == ({"a": GONE}, [], ["a"])


@pytest.mark.parametrize("received", [{"a": 3}, {}])
def test_a_live_context_of_which_too_much_was_missed_is_lost(received: dict[str, int]) -> None:
    found = recover(received, {"a": Live(ring(50, 50, max_s=5), 42)}, {})
    assert (found.states, found.missed, found.lost) == ({"a": GONE}, [], ["a"])


def test_a_context_that_nobody_knows_is_gone() -> None:
    found = recover({"a": 3}, {}, {})
    assert (found.states, found.missed, found.lost) == ({"a": GONE}, [], [])


def test_one_that_has_said_nothing_yet_is_told_of() -> None:
    live = Live(ring(0, 0), 7)
    found = recover({}, {"a": live}, {})
    assert found.states == {"a": Recovered(True, 7)}
    assert found.missed == [(live.ring, 0)]


def test_one_that_ended_comes_with_its_end() -> None:
    old = Ended(ring(5, 3), 9, 0.0)
    for received, first in (({"a": 2}, 3), ({}, 0)):
        found = recover(received, {}, {"a": old})
        assert found.states == {"a": Recovered(True, 9)}
        assert found.missed == [(old.ring, first)]


def test_one_that_ended_and_arrived_whole_is_recovered_with_nothing_missed() -> None:
    old = Ended(ring(5, 5), 9, 0.0)
    found = recover({"a": 4}, {}, {"a": old})
    assert found.states == {"a": Recovered(True, 9)}
    assert [list(ring.since(first)) for ring, first in found.missed] == [[]]


def test_one_that_ended_long_ago_and_is_not_named_is_not_told_of() -> None:
    old = Ended(ring(50, 50, max_s=5), 9, 0.0)
    assert recover({}, {}, {"a": old}).states == {}
    assert recover({"a": 1}, {}, {"a": old}).states == {"a": GONE}


def test_the_newest_of_a_name_is_meant() -> None:
    old, live = Ended(ring(9, 9), 9, 0.0), Live(ring(4, 4), 7)
    found = recover({"a": 2}, {"a": live}, {"a": old})
    assert found.missed == [(live.ring, 3)]
    assert recover({"a": 8}, {"a": live}, {"a": old}).lost == ["a"]


def test_what_has_arrived_is_not_of_one_that_has_said_nothing() -> None:
    old, live = Ended(ring(9, 9), 9, 0.0), Live(ring(0, 0), 7)
    found = recover({"a": 5}, {"a": live}, {"a": old})
    assert found.states == {"a": Recovered(True, 9)}
    assert found.missed == [(old.ring, 6)]
    assert not found.lost
    found = recover({}, {"a": live}, {"a": old})
    assert found.missed == [(live.ring, 0)]


def test_contexts_do_not_touch_each_other() -> None:
    lives = {"a": Live(ring(5, 5), 1), "b": Live(ring(5, 5), 2)}
    found = recover({"a": 9, "b": 1, "c": 0}, lives, {})
    assert found.states == {"a": GONE, "b": Recovered(True, 2), "c": GONE}
    assert found.lost == ["a"]
