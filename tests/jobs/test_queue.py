"""Turns: fair between keys, in order of age within one; places and estimates."""

from __future__ import annotations

import math
import random

import pytest

from streamer.jobs.queue import CAREFUL, Queue
from streamer.jobs.table import Entry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def queue_of(*jobs: str) -> tuple[Queue, Clock]:
    """A queue of jobs named by key and number, such as `a1`."""
    clock = Clock()
    queue = Queue(clock)
    for seq, name in enumerate(jobs):
        entry = Entry(name, name[0], 10, seq, cost=10)
        queue.hold(entry)
        queue.add(entry)
    return queue, clock


def entry_of(queue: Queue, id: str) -> Entry:
    entry = queue.get(id)
    assert entry is not None
    return entry


def drained(queue: Queue) -> list[str]:
    taken = []
    while (entry := queue.take()) is not None:
        taken.append(entry.id)
    return taken


def test_keys_take_turns_and_a_keys_jobs_come_in_order() -> None:
    queue, _ = queue_of("a1", "a2", "a3", "b1", "c1", "c2")
    assert drained(queue) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_a_place_is_how_many_are_taken_before() -> None:
    rng = random.Random(5)
    for _ in range(50):
        queue, _ = queue_of(*(f"{rng.choice('abcd')}{n}" for n in range(rng.randrange(1, 12))))
        for _ in range(rng.randrange(3)):
            queue.take()
        waiting = [
            id for id in list(queue._all) if any(id in map(_id, line) for line in _lines(queue))
        ]
        places = {id: queue.position(entry_of(queue, id)) for id in waiting}
        assert [places[id] for id in drained(queue)] == list(range(len(waiting)))


def _id(entry: Entry) -> str:
    return entry.id


def _lines(queue: Queue) -> list[list[Entry]]:
    return list(queue._lines.values())


def test_what_is_to_be_tried_later_waits_for_its_time_and_then_goes_first() -> None:
    queue, clock = queue_of("a1", "a2", "a3")
    first = queue.take()
    assert first is not None
    queue.add(first, 2.0)
    second = queue.take()
    assert second is not None
    assert second.id == "a2"
    queue.drop(second)
    assert queue.due_in() == 0
    clock.now = 2.0
    assert drained(queue) == ["a1", "a3"]
    assert queue.due_in() == math.inf


def test_what_is_dropped_does_not_come_and_does_not_count() -> None:
    queue, _ = queue_of("a1", "a2", "b1")
    assert (queue.jobs_of("a"), queue.cost_of("a"), len(queue)) == (2, 20, 3)
    for id in ("a1", "b1"):
        entry = entry_of(queue, id)
        queue.drop(entry)
        queue.drop(entry)
    later = queue.take()
    assert later is not None
    queue.add(later, 1.0)
    queue.drop(later)
    assert drained(queue) == []
    assert (queue.jobs_of("a"), queue.cost_of("b"), len(queue)) == (0, 0, 0)


def test_what_has_seen_many_crashes_goes_behind_all() -> None:
    queue, _ = queue_of("a1", "b1")
    bad = Entry("z", "a", 10, 0, crashes=CAREFUL)
    queue.hold(bad)
    queue.add(bad)
    assert queue.position(bad) == 2
    assert drained(queue) == ["a1", "b1", "z"]


def test_an_estimate_is_of_what_is_ahead_and_how_fast_it_was() -> None:
    queue, _ = queue_of("a1", "a2", "a3")
    last = entry_of(queue, "a3")
    assert queue.estimate(last, 1) is None
    queue.spoke(0, 1.0)
    queue.spoke(100, 10.0)
    assert queue.estimate(last, 1) == pytest.approx(3.0)
    assert queue.estimate(last, 2) == pytest.approx(2.0)
    running = queue.take()
    assert running is not None
    running.running, running.spoken = True, 5
    assert queue.estimate(running, 1) == pytest.approx(0.5)
