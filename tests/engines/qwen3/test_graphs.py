"""Graphs without a GPU: what is captured runs again when it is replayed, and all around it is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from streamer.engines.qwen3.device import Here, Lane, Mark
from streamer.engines.qwen3.frame import Arenas
from streamer.engines.qwen3.graphs import CHUNKS, CODEC_WIDTHS, WIDTHS, Graphs, rows_for
from streamer.engines.qwen3.launch import AtOnce
from streamer.engines.qwen3.runner import Runner, open_runner, ops_for
from streamer.engines.qwen3.sampling import NEVER, Draw
from tests.engines.qwen3.test_runner import codes, prompt
from tests.engines.qwen3.tiny import CPU, SAMPLING, TINY, tiny_codec, tiny_model

SLOTS, CAPACITY = 5, 40
MODEL, CODEC = tiny_model(rows=8), tiny_codec()
DRAW = Draw(TINY, SAMPLING, CPU)


class Later(Here):
    """Answers when it is told to, and writes down in which lane what is launched."""

    def __init__(self) -> None:
        self.now: Lane | None = None
        self.log: list[tuple[str, Lane | None]] = []
        self.done = False

    @contextmanager
    def _in(self, lane: Lane) -> Iterator[None]:
        before, self.now = self.now, lane
        yield
        self.now = before

    def lane(self, lane: Lane) -> AbstractContextManager[object]:
        return self._in(lane)

    def follow(self, lane: Lane, mark: Mark) -> None:
        self.log.append(("follow", lane))

    def mark(self) -> Mark:
        return _Open(self)

    def capture(self, lane: Lane, run: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        result, replay = super().capture(lane, run)

        def logged() -> None:
            assert self.now == lane
            self.log.append(("replay", lane))
            replay()

        return result, logged


class _Open:
    def __init__(self, device: Later) -> None:
        self._device = device

    def record(self) -> None:
        assert self._device.now

    def passed(self) -> bool:
        return self._device.done

    def wait(self) -> None:
        self._device.log.append(("wait", None))


def graphs(device: Here, slots: int = SLOTS, within: float = 60.0) -> tuple[Runner, Graphs]:
    arenas = Arenas.empty(MODEL, CODEC, slots, CAPACITY)
    launch = Graphs(MODEL, CODEC, DRAW, arenas, device, within)
    return Runner(MODEL, CODEC, DRAW, arenas, launch), launch


@pytest.fixture(scope="module")
def captured() -> Runner:
    return graphs(Here())[0]


@pytest.mark.parametrize("count", range(1, SLOTS + 1))
def test_a_graph_of_any_width_says_what_is_said_at_once(captured: Runner, count: int) -> None:
    plain = open_runner(MODEL, CODEC, SAMPLING, SLOTS, CAPACITY)
    sound: list[list[np.ndarray]] = []
    for subject in (captured, plain):
        for slot in range(count):
            subject.begin(slot, prompt(slot), slot, NEVER)
        results = [subject.step(range(count)).result() for _ in range(7)]
        assert [len(result) for result in results] == [count] * 7
        sound.append(
            [
                subject.decode([(slot, first) for slot in range(count)], frames).result()
                for first, frames in ((0, 1), (1, 2), (3, 4))
            ]
        )
    for slot in range(count):
        assert torch.equal(codes(captured, slot, 7), codes(plain, slot, 7))
    for ours, theirs in zip(*sound, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 1e-4


def test_frames_for_which_there_is_no_graph_are_decoded_all_the_same(captured: Runner) -> None:
    captured.begin(0, prompt(0), 0, NEVER)
    captured.begin(1, prompt(0), 0, NEVER)
    for _ in range(3):
        captured.step([0, 1]).result()
    three = captured.decode([(0, 0)], 3).result()
    two, one = captured.decode([(1, 0)], 2).result(), captured.decode([(1, 2)], 1).result()
    assert np.abs(three - np.concatenate((two, one), 1)).max() < 1e-4


def test_frames_and_sound_have_lanes_of_their_own_and_sound_follows_its_frames() -> None:
    device = Later()
    subject, _ = graphs(device, within=0.0)
    device.log.clear()
    subject.begin(0, prompt(0), 0, NEVER)
    step = subject.step([0])
    sound = subject.decode([(0, 0)], 1)
    assert device.log == [("replay", "talker"), ("follow", "codec"), ("replay", "codec")]
    assert not step.ready()
    assert not sound.ready()
    device.done = True
    assert step.ready()
    assert sound.ready()
    step.result()
    step.result()
    assert device.log[3:] == [("wait", None)]


def test_sound_of_a_sequence_that_was_put_back_into_a_slot_follows_what_was_put_there() -> None:
    device = Later()
    subject, _ = graphs(device, within=0.0)
    subject.begin(0, prompt(0, text=0), 0, NEVER)
    subject.step([0]).result()
    kept = subject.swap_out(0)
    device.log.clear()
    subject.swap_in(1, kept)
    assert device.log == [("follow", "codec")]
    subject.step([1]).result()
    subject.begin(2, prompt(0, text=0), 0, NEVER)
    for _ in range(2):
        subject.step([2]).result()
    assert torch.equal(codes(subject, 1, 2), codes(subject, 2, 2))


def test_results_that_nobody_looked_at_are_not_lost() -> None:
    subject, _ = graphs(Later(), within=0.0)
    subject.begin(0, prompt(0), 0, NEVER)
    pending = [subject.step([0]) for _ in range(25)]
    firsts = [step.result()[0].code0 for step in pending]
    assert firsts == codes(subject, 0, 25)[:, 0].tolist()


def test_when_time_is_up_there_is_a_graph_for_everybody_all_the_same() -> None:
    subject, launch = graphs(Here(), within=0.0)
    assert launch.widths == ([6], [(8, frames) for frames in CHUNKS])
    subject.begin(2, prompt(2), 2, NEVER)
    plain = open_runner(MODEL, CODEC, SAMPLING, SLOTS, CAPACITY)
    plain.begin(2, prompt(2), 2, NEVER)
    for _ in range(4):
        assert subject.step([2]).result() == plain.step([2]).result()
    ours, theirs = (runner.decode([(2, 0)], 4).result() for runner in (subject, plain))
    assert np.abs(ours - theirs).max() < 1e-4


def test_there_is_a_graph_of_each_width_up_to_the_slots() -> None:
    _, launch = graphs(Here(), slots=3)
    frames, sounds = launch.widths
    assert frames == [width for width in WIDTHS if width <= 3]
    assert sounds == [(width, chunk) for width in CODEC_WIDTHS if width <= 4 for chunk in CHUNKS]
    assert launch.limits.rows == 3
    assert launch.limits.codec_rows == 4
    assert [rows_for(slots) for slots in (1, 5, 64, 65, 500)] == [1, 6, 64, 96, 128]


def test_a_model_of_too_few_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="8 rows"):
        graphs(Here(), slots=9)
    with pytest.raises(ValueError, match="8 rows"):
        open_runner(MODEL, CODEC, SAMPLING, 9, CAPACITY)


def test_without_a_gpu_everything_is_plain_torch() -> None:
    assert type(ops_for(CPU)).__name__ == "Eager"
    limits = open_runner(MODEL, CODEC, SAMPLING, 3, CAPACITY).limits
    assert (limits.slots, limits.rows, limits.exact, limits.steps) == (3, 3, True, 1)
    arenas = Arenas.empty(MODEL, CODEC, 20, CAPACITY)
    assert AtOnce(MODEL, CODEC, DRAW, arenas).limits.rows == 8
