from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.engines.qwen3.plans import Limits
from tests.engines.qwen3.world import World


def world(slots: int = 4, **limits: object) -> World:
    return World(Limits(slots, **limits))  # type: ignore[arg-type]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 40), st.integers(1, 30)),
        st.tuples(st.sampled_from(["feed", "cancel", "fetch"]), st.integers(0, 12), st.just(0)),
        st.tuples(
            st.sampled_from(["turn", "turn", "step", "step", "call", "time"]),
            st.just(0),
            st.just(0),
        ),
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(
    actions=ACTIONS,
    slots=st.integers(1, 5),
    rows=st.integers(1, 4),
    patience=st.sampled_from([0.0, 0.3]),
    codec_rows=st.integers(1, 3),
    exact=st.booleans(),
    steps=st.integers(1, 3),
)
def test_whatever_happens_no_slot_leaks_no_frame_is_lost_and_nobody_starves(
    actions: list[tuple[str, int, int]],
    slots: int,
    rows: int,
    patience: float,
    codec_rows: int,
    exact: bool,
    steps: int,
) -> None:
    limits = Limits(
        slots,
        rows=rows,
        codec_rows=codec_rows,
        exact=exact,
        steps=steps,
        hold=16,
        ahead=1.0,
        patience=patience,
    )
    world = World(limits)
    unfed: dict[int, int] = {}
    for action, number, limit in actions:
        known = number % len(world.listeners) if world.listeners else None
        if action == "submit":
            unfed[world.submit(number, rows=number % 5, ended=False, limit=limit)] = number
        elif action == "turn":
            world.turn()
        elif action == "step":
            world.answer_step()
        elif action == "call":
            world.answer_call()
        elif action == "time":
            world.pass_time(0.2)
        elif known is not None and action == "feed":
            world.scheduler.feed(known, 3, False)
        elif known is not None and action == "fetch":
            world.fetch(known)
        elif known is not None:
            world.cancel(known)
    for key in unfed:
        world.scheduler.feed(key, 0, True)
    world.run()
    assert not world.slots
    for listener in world.listeners.values():
        assert listener.decoded == list(range(len(listener.decoded)))
        if not listener.cancelled:
            assert len(listener.decoded) == min(listener.length, listener.limit)
            assert listener.reason == ("stop" if listener.length < listener.limit else "length")


def test_the_codec_is_called_after_one_frame_then_two_four_and_eight() -> None:
    scene = world()
    scene.submit(40)
    calls = []
    for _ in range(400):
        scene.turn()
        calls += [call.frames for call in scene.calls]
        scene.answer_step()
        scene.answer_call()
        scene.fetch(0)
        scene.listeners[0].lead = 0.5
    assert calls == [1, 2, 4, 8, 8, 8, 8, 1]


def test_an_end_takes_the_next_fixed_length_or_exactly_what_is_left() -> None:
    for exact, last in ((False, 4), (True, 3)):
        scene = world(exact=exact)
        scene.submit(1 + 2 + 4 + 3)
        calls = []
        while not scene.scheduler.idle:
            scene.turn()
            calls += [call.frames for call in scene.calls]
            scene.answer_step()
            scene.answer_call()
            scene.listeners[0].lead = 0.5
        assert calls == [1, 2, 4, last]
        assert scene.listeners[0].decoded == list(range(10))


def test_a_sequence_without_text_stays_out_of_steps_and_the_others_do_not_wait() -> None:
    scene = world()
    late = scene.submit(100, rows=2, ended=False)
    other = scene.submit(100)
    for _ in range(20):
        scene.turn()
        scene.answer_step()
    assert scene.sizes[:3] == [[late, other], [late, other], [other]]
    assert len(scene.sizes) == 20
    scene.scheduler.feed(late, 1, False)
    scene.turn()
    assert late in scene.sizes[-1]


def test_what_was_made_goes_when_the_listener_of_late_text_has_nothing_left() -> None:
    scene = world()
    scene.submit(100, rows=2, ended=False)
    for _ in range(5):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
    assert scene.listeners[0].decoded == [0]
    assert scene.scheduler.rest(scene.now) == pytest.approx(scene.listeners[0].lead)
    scene.pass_time(1.0)
    scene.turn()
    scene.answer_call()
    assert scene.listeners[0].decoded == [0, 1]


def test_who_has_plenty_rests_until_half_of_it_is_left() -> None:
    scene = world(ahead=2.0)
    scene.submit(1000)
    for _ in range(100):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
        scene.fetch(0)
    made = len(scene.sizes)
    assert made == 25
    rest = scene.scheduler.rest(scene.now)
    assert rest == pytest.approx(1.0)
    scene.pass_time(0.9)
    scene.turn()
    assert len(scene.sizes) == made
    scene.pass_time(0.2)
    scene.turn()
    assert len(scene.sizes) == made + 1


def test_who_has_some_stays_out_while_somebody_has_nothing() -> None:
    scene = world(ahead=2.0)
    for lead in (1.5, 0.5, -math.inf):
        scene.listeners[scene.submit(100)].lead = lead
    scene.turn()
    assert scene.sizes == [[1, 2]]


def test_one_who_fetches_nothing_is_held_to_a_bound() -> None:
    scene = world(hold=16)
    scene.submit(1000)
    for _ in range(200):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
        scene.pass_time(1.0)
    assert len(scene.sizes) == 16
    with pytest.raises(ValueError, match="two chunks"):
        world(hold=15)


def test_slots_go_first_to_those_whose_listeners_have_nothing_left() -> None:
    scene = world(slots=1)
    for lead in (3.0, 0.0, -math.inf):
        scene.listeners[scene.submit(1)].lead = lead
    order = []
    while not scene.scheduler.idle:
        scene.turn()
        order += [key for key in scene.slots if key not in order]
        scene.answer_step()
        scene.answer_call()
        scene.pass_time(0.1)
    assert order == [1, 2, 0]


def test_who_waits_for_text_gives_its_slot_to_who_waits_for_a_slot_and_gets_one_again() -> None:
    scene = world(slots=2, patience=0.5)
    late = scene.submit(20, rows=3, ended=False)
    other = scene.submit(200)
    for _ in range(10):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
    assert set(scene.slots) == {late, other}
    scene.pass_time(5.0)
    scene.turn()
    # Nobody wants it.
    assert late in scene.slots
    third = scene.submit(10)
    scene.turn()
    assert scene.scheduler.rest(scene.now) is not None
    scene.pass_time(0.4)
    scene.turn()
    assert late in scene.slots
    scene.pass_time(0.2)
    scene.turn()
    assert set(scene.slots) == {third, other}
    scene.scheduler.fetched(late, 1)
    scene.scheduler.feed(late, 1, True)
    scene.turn()
    assert late not in scene.slots
    scene.run()
    assert [len(scene.listeners[key].decoded) for key in (late, other, third)] == [20, 200, 10]


def test_no_more_are_taken_out_of_their_slots_than_others_want() -> None:
    scene = world(slots=3, patience=0.5)
    keys = [scene.submit(20, rows=1, ended=False) for _ in range(8)]
    held: list[set[int]] = []
    for _ in range(60):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
        scene.pass_time(0.1)
        if not held or held[-1] != set(scene.slots):
            held.append(set(scene.slots))
    assert held == [{0, 1, 2}, {3, 4, 5}, {5, 6, 7}]
    for key in keys:
        scene.scheduler.feed(key, 0, True)
    scene.run()


def test_a_cancelled_one_leaves_its_slot_at_once_and_what_comes_later_is_dropped() -> None:
    scene = world(slots=1)
    first, second = scene.submit(100), scene.submit(3)
    scene.turn()
    scene.turn()
    assert len(scene.steps) == 2
    scene.cancel(first)
    scene.turn()
    assert scene.slots == {second: 0}
    scene.run()
    assert scene.listeners[first].decoded == []
    assert scene.listeners[second].decoded == [0, 1, 2]
    assert scene.scheduler.cancel(first) is None


def test_a_sequence_ended_from_outside_keeps_what_was_heard() -> None:
    scene = world()
    scene.submit(1000)
    for _ in range(12):
        scene.turn()
        scene.answer_step()
        scene.answer_call()
    heard = len(scene.listeners[0].decoded)
    assert heard > 2
    scene.scheduler.end(0, 2, "repeated")
    scene.run()
    assert len(scene.listeners[0].decoded) == heard
    assert scene.listeners[0].reason == "repeated"


def test_sound_is_not_told_from_what_follows_an_end_before_the_step_is_seen() -> None:
    scene = world()
    scene.submit(0)
    scene.turn()
    assert not scene.scheduler.known(scene.calls[0])
    with pytest.raises(ValueError, match="before the steps"):
        scene.scheduler.decoded(scene.calls[0])
    scene.run()
    assert scene.listeners[0].reason == "stop"


def test_a_key_is_used_once_at_a_time() -> None:
    scene = world()
    scene.submit(1)
    with pytest.raises(ValueError, match="here already"):
        scene.scheduler.submit(0, lambda: 0.0, 0, True, 10)


def test_what_nobody_listens_to_never_rests_but_goes_behind_all_who_have_little() -> None:
    subject = world()
    job, listener = subject.submit(60), subject.submit(60)
    subject.listeners[job].lead = math.inf
    subject.turn()
    assert subject.sizes == [[listener]]
    subject.run()
    assert subject.listeners[job].reason == "stop"
    assert len(subject.listeners[job].decoded) == 60


@pytest.mark.parametrize("rows", [1, 8])
def test_jobs_go_on_while_somebody_always_has_nothing_left(rows: int) -> None:
    subject = world(slots=6, rows=rows, hold=1000)
    jobs = [subject.submit(900) for _ in range(3)]
    for job in jobs:
        subject.listeners[job].lead = math.inf
    live = subject.submit(900)
    for _ in range(120):
        subject.turn()
        subject.answer_step()
        subject.answer_call()
        subject.listeners[live].lead = 0.0
    made = subject.sizes[:120]
    for job in jobs:
        turns = [number for number, keys in enumerate(made) if job in keys]
        assert len(turns) == 10
        assert {after - before for before, after in pairwise(turns)} == {4 * len(jobs)}
    assert sum(live in keys for keys in made) == (90 if rows == 1 else 120)


def test_job_alone_is_not_waited_for() -> None:
    subject = world()
    job = subject.submit(40)
    subject.listeners[job].lead = math.inf
    while subject.steps or not subject.sizes:
        subject.turn()
        subject.answer_step()
    assert subject.scheduler.rest(subject.now) is None
