"""What is kept of what was said, and for how long."""

from __future__ import annotations

import random

import pytest

from streamer.server.ring import Ended, Ring, Rings
from streamer.types import Audio, AudioFormat, Packet, Started, Words

STARTED = Started("a", AudioFormat("opus", "none", 1000), "audio/opus", b"", 0, "v", "e", 0)
WORDS = Words("a", (), "model")
LARGE = 10**9


def sound(seconds: float = 0.02) -> Audio:
    return Audio("a", Packet(b"", 0, round(1000 * seconds)))


def said(ring: Ring, first: int) -> list[str | bytes]:
    return [message for _, message in ring.since(first)]


def test_messages_are_numbered_as_they_come() -> None:
    ring = Ring(30, LARGE)
    for message in ("zero", b"one", "two"):
        ring.keep(WORDS, message)
    assert (ring.first, ring.sent, ring.next) == (0, 0, 3)
    assert list(ring.since(1)) == [(1, b"one"), (2, "two")]
    ring.hand(1)
    assert (ring.first, ring.sent, ring.next) == (0, 2, 3)
    assert list(ring.since(1)) == [(1, b"one"), (2, "two")]
    assert said(ring, 3) == []


def test_nobody_has_what_was_handed_to_no_socket() -> None:
    ring = Ring(30, LARGE)
    ring.keep(STARTED, "0")
    ring.keep(WORDS, "1")
    assert ring.covers(0)
    assert not ring.covers(1)
    ring.hand(0)
    assert ring.covers(1)
    assert not ring.covers(2)
    ring.hand(1)
    assert ring.covers(2)
    assert not ring.covers(3)


def test_what_was_sent_is_let_go_by_its_sound() -> None:
    ring = Ring(1.0, LARGE)
    ring.keep(STARTED, "s")
    ring.hand(0)
    for _ in range(200):
        ring.keep(sound(), b"p")
        ring.hand(ring.next - 1)
    assert ring.next == 201
    assert ring.next - ring.first in (50, 51, 52)
    assert not ring.covers(0)
    assert ring.covers(ring.first)


def test_what_was_sent_is_let_go_by_its_size() -> None:
    ring = Ring(LARGE, 10_000)
    for _ in range(200):
        ring.keep(WORDS, b"x" * 1000)
        ring.hand(ring.next - 1)
    assert 5_000 < ring.size < 12_000


def test_what_waits_is_never_let_go_and_makes_it_full() -> None:
    ring = Ring(1.0, 10_000)
    ring.keep(STARTED, "s")
    while not ring.full:
        ring.keep(sound(), b"p")
    assert ring.next in (51, 52, 53)
    for _ in range(20):
        ring.keep(WORDS, b"x" * 1000)
    assert ring.first == 0
    assert ring.covers(0)
    ring.hand(ring.next - 1)
    assert not ring.full


def test_what_was_just_sent_again_goes_slowly() -> None:
    ring = Ring(LARGE, 10_000)
    for _ in range(15):
        ring.keep(WORDS, b"x" * 1000)
    ring.hand(ring.next - 1)
    for i in range(1, 3):
        ring.keep(WORDS, b"y")
        ring.hand(ring.next - 1)
        assert ring.first == 2 * i
    while ring.size > 10_000:
        ring.keep(WORDS, b"y")
        ring.hand(ring.next - 1)


def test_sound_before_started_has_no_length() -> None:
    ring = Ring(1.0, LARGE)
    ring.keep(sound(1000.0), b"p")
    assert not ring.full


@pytest.mark.parametrize("seed", range(20))
def test_a_ring_is_the_end_of_what_was_said(seed: int) -> None:
    chance = random.Random(seed)
    ring = Ring(1.0, 20_000)
    ring.keep(STARTED, "0")
    all_said: list[str | bytes] = ["0"]
    for _ in range(400):
        if chance.random() < 0.5 or ring.full:
            ring.hand(chance.randrange(ring.first, ring.next + 1))
        else:
            all_said.append(str(len(all_said)) + "x" * chance.randrange(500))
            ring.keep(WORDS if chance.random() < 0.5 else sound(), all_said[-1])
        assert ring.next == len(all_said)
        assert ring.first <= ring.sent <= ring.next
        assert said(ring, ring.first) == all_said[ring.first :]
        assert ring.size < 3 * 20_000 + 2000
        for at in (ring.first, ring.sent):
            assert ring.covers(at)
        assert not ring.covers(ring.first - 1)
        assert not ring.covers(ring.sent + 1)


def ended(at: float = 0.0, said: int = 1) -> Ended:
    ring = Ring(30, LARGE)
    for _ in range(said):
        ring.keep(WORDS, "m")
    return Ended(ring, 5, at)


def test_contexts_that_ended_are_kept_for_a_while() -> None:
    rings = Rings(30, LARGE, 4)
    rings.retire("a", ended(at=0.0))
    rings.retire("b", ended(at=10.0))
    rings.age(30.0)
    assert list(rings.ended) == ["a", "b"]
    rings.age(30.1)
    assert list(rings.ended) == ["b"]


def test_who_listens_has_less_and_who_is_not_waited_for_has_none() -> None:
    rings = Rings(30, 8000, 2)
    speaks, listens = rings.new(), rings.new(listens=True)
    assert speaks is not None
    assert listens is not None
    for ring in (speaks, listens):
        ring.keep(WORDS, b"x" * 2000)
    assert (speaks.full, listens.full) == (False, True)
    assert Rings.none().new() is None


def test_no_more_than_so_many_are_kept_and_the_oldest_go() -> None:
    rings = Rings(30, LARGE, 2)
    for name in ("a", "b", "a", "c"):
        rings.retire(name, ended())
    assert list(rings.ended) == ["a", "c"]


def test_the_newest_of_a_name_is_kept() -> None:
    rings = Rings(30, LARGE, 4)
    old, new = ended(), ended()
    rings.retire("a", old)
    rings.retire("a", new)
    assert rings.ended["a"] is new
    rings.forget("a")
    rings.forget("a")
    assert not rings.ended


def test_an_error_and_nothing_else_does_not_push_out_what_ended_before() -> None:
    rings = Rings(30, LARGE, 4)
    old, stray, failed = ended(), ended(said=0), ended(said=3)
    rings.retire("a", old)
    rings.retire("a", stray, failed=True)
    assert rings.ended["a"] is old
    rings.retire("a", failed, failed=True)
    assert rings.ended["a"] is failed
    rings.retire("b", stray, failed=True)
    assert rings.ended["b"] is stray


def test_it_tells_how_much_sound_a_client_missed() -> None:
    ring = Ring(30, LARGE)
    ring.keep(STARTED, "s")
    for number in range(4):
        ring.keep(sound(0.5), b"p")
        if number < 2:
            ring.hand(ring.next - 1)
    assert [ring.seconds_since(sequence) for sequence in range(6)] == [2, 2, 1.5, 1, 0.5, 0]
