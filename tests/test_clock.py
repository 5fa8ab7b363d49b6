"""The steady clock: what the system's clock does while we run is not its business."""

from __future__ import annotations

import time

from streamer.clock import SteadyClock


def test_it_is_the_time_of_day() -> None:
    before = time.time()
    now = SteadyClock()()
    assert before - 1 <= now <= time.time() + 1


def test_a_clock_that_is_set_while_we_run_changes_nothing() -> None:
    wall, elapsed = 1_000_000.0, 50.0
    clock = SteadyClock(lambda: wall, lambda: elapsed)
    assert clock() == 1_000_000
    for jump in (3600.0, -7200.0):
        wall += jump
        assert clock() == 1_000_000
    elapsed += 2.5
    assert clock() == 1_000_002.5


def test_the_new_time_counts_from_the_next_start() -> None:
    assert SteadyClock(lambda: 1_003_600.0, lambda: 50.0)() == 1_003_600


def test_it_never_goes_back() -> None:
    clock = SteadyClock()
    times = [clock() for _ in range(1000)]
    assert times == sorted(times)
