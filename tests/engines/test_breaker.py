"""The circuit breaker, on a clock of the test's."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engines.breaker import MAX_RETRY_AFTER_S, Attempt, Breaker, CircuitOpen, State


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("engine", failures=3, rest_s=10.0, clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.attempt().failed()


def check(breaker: Breaker, state: State) -> None:
    assert breaker.state == state


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.attempt().succeeded()
    fail(breaker, 2)
    check(breaker, "closed")
    fail(breaker)
    check(breaker, "open")


def test_while_open_nobody_is_let_through_and_told_when_to_come_back(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += 3.5
    with pytest.raises(CircuitOpen) as caught:
        breaker.attempt()
    assert caught.value.details == {"retry_after_s": 7}


def test_after_its_rest_one_at_a_time_is_let_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    check(breaker, "half_open")
    probe = breaker.attempt()
    with pytest.raises(CircuitOpen):
        breaker.attempt()
    probe.left()
    breaker.attempt()


def test_success_of_the_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    breaker.attempt().succeeded()
    check(breaker, "closed")
    fail(breaker, 2)
    check(breaker, "closed")


def test_failure_of_the_probe_opens_it_for_another_rest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 10
    fail(breaker)
    check(breaker, "open")
    clock.now += 9.9
    check(breaker, "open")
    clock.now += 0.1
    check(breaker, "half_open")


def test_first_sound_of_the_probe_closes_it_but_one_failure_opens_it_again(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, 3)
    clock.now += 10
    probe = breaker.attempt()
    probe.sounded()
    check(breaker, "closed")
    probe.failed()
    check(breaker, "open")


def test_sound_that_never_ends_well_does_not_keep_it_closed(breaker: Breaker) -> None:
    for _ in range(3):
        attempt = breaker.attempt()
        attempt.sounded()
        attempt.failed()
    check(breaker, "open")


def test_who_asks_to_be_left_alone_is_at_once_and_for_so_long(
    breaker: Breaker, clock: Clock
) -> None:
    breaker.attempt().failed(retry_after_s=30)
    clock.now += 29
    check(breaker, "open")
    clock.now += 1
    check(breaker, "half_open")


def test_nobody_is_left_alone_for_ever(breaker: Breaker, clock: Clock) -> None:
    breaker.attempt().failed(retry_after_s=1e12)
    clock.now += MAX_RETRY_AFTER_S
    check(breaker, "half_open")


def test_who_began_before_it_opened_neither_closes_nor_prolongs_it(
    breaker: Breaker, clock: Clock
) -> None:
    late = [breaker.attempt(), breaker.attempt()]
    fail(breaker, 3)
    late[0].succeeded()
    check(breaker, "open")
    clock.now += 9
    late[1].failed()
    clock.now += 1
    check(breaker, "half_open")


@given(
    st.lists(
        st.tuples(st.sampled_from("begin sound succeed fail leave wait".split()), st.integers(0, 3))
    )
)
def test_at_most_one_is_let_through_until_it_is_well(deeds: list[tuple[str, int]]) -> None:
    clock = Clock()
    breaker = Breaker("engine", failures=2, rest_s=5.0, clock=clock)
    running: list[Attempt] = []
    probes: list[Attempt] = []
    for deed, number in deeds:
        if deed == "wait":
            clock.now += 2.0
        elif deed == "begin":
            state = breaker.state
            try:
                running.append(breaker.attempt())
            except CircuitOpen:
                assert state == "open" or probes
            else:
                assert state != "open"
                if state == "half_open":
                    assert not probes
                    probes = [running[-1]]
        elif running:
            attempt = running[number % len(running)]
            if deed == "sound":
                attempt.sounded()
                continue
            if deed == "succeed":
                attempt.succeeded()
            elif deed == "fail":
                attempt.failed()
            attempt.left()
            running.remove(attempt)
            if attempt in probes:
                probes = []
        if breaker.state == "closed":
            probes = []
