from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from streamer.engines.qwen3.prompt import Prompt
from streamer.engines.qwen3.runner import Runner, open_runner
from streamer.engines.qwen3.sampling import NEVER
from tests.engines.qwen3.reference_loop import speak
from tests.engines.qwen3.tiny import SAMPLING, TINY, tiny_codec, tiny_model

GREEDY = replace(SAMPLING, greedy=True, sub_greedy=True)
MODEL, CODEC = tiny_model(), tiny_codec()
HIDDEN, SAMPLES = TINY.talker.stack.hidden, 1920


def runner(slots: int = 6, capacity: int = 48, *, greedy: bool = False) -> Runner:
    return open_runner(MODEL, CODEC, GREEDY if greedy else SAMPLING, slots, capacity)


def prompt(number: int, *, text: int = 5, prefix: int = 9) -> Prompt:
    """One that differs from those of other numbers."""
    with torch.inference_mode():
        ids = [(7 * number + place) % 100 for place in range(max(prefix, text) + 1)]
        rows = MODEL.text(ids)
        start = MODEL.talker.codec([2 + number] * prefix)
        return Prompt(
            rows[:prefix] + start,
            ("prompt", number, prefix),
            MODEL.talker.codec([number])[0],
            torch.cat((rows[:text], MODEL.eos_row[None])),
            False,
            None,
        )


def codes(runner: Runner, slot: int, frames: int) -> Tensor:
    return runner._arenas.codes[slot, :frames].clone()


def spoken(runner: Runner, slot: int, frames: int, begun: Prompt, seed: int = 3) -> Tensor:
    """Codes of one sequence that speaks alone."""
    runner.begin(slot, begun, seed, NEVER)
    for _ in range(frames):
        runner.step([slot]).result()
    return codes(runner, slot, frames)


def test_greedy_codes_are_those_of_the_plain_loop() -> None:
    subject = runner(greedy=True)
    begun = prompt(1)
    expected = speak(MODEL, begun, 12, GREEDY)
    subject.begin(2, begun, 0, 1000)
    results = [subject.step([2]).result()[0] for _ in range(len(expected) + 1)]
    assert torch.equal(codes(subject, 2, len(expected)), expected)
    assert [result.code0 for result in results[:-1]] == expected[: len(results) - 1, 0].tolist()
    assert [result.frame for result in results] == list(range(len(results)))
    assert not any(result.ended for result in results[:-1])


def test_rows_of_a_batch_do_not_change_each_others_codes() -> None:
    alone = {number: spoken(runner(), 0, 8, prompt(number), number) for number in range(6)}
    for size in (1, 2, 3, 4, 6):
        together = runner()
        for number in range(size):
            together.begin(5 - number, prompt(number), number, NEVER)
        for _ in range(8):
            together.step([5 - number for number in range(size)]).result()
        for number in range(size):
            assert torch.equal(codes(together, 5 - number, 8), alone[number])


def test_a_sequence_that_joins_or_waits_changes_nothing_for_the_others() -> None:
    alone = [spoken(runner(), 0, 10, prompt(number), number) for number in range(3)]
    together = runner()
    together.begin(0, prompt(0), 0, NEVER)
    together.begin(1, prompt(1), 1, NEVER)
    steps: list[list[int]] = [[0], [0, 1], [1], [2, 0], [0], [1, 2, 0]]
    made = [0, 0, 0]
    while min(made) < 10:
        rows = [slot for slot in (steps.pop(0) if steps else [2, 1, 0]) if made[slot] < 10]
        if 2 in rows and not made[2]:
            together.begin(2, prompt(2), 2, NEVER)
        together.step(rows).result()
        for slot in rows:
            made[slot] += 1
    for slot in range(3):
        assert torch.equal(codes(together, slot, 10), alone[slot])


def test_a_seed_says_the_same_in_any_slot_and_another_seed_something_else() -> None:
    subject = runner()
    one = spoken(subject, 0, 8, prompt(0), 11)
    assert torch.equal(spoken(subject, 4, 8, prompt(0), 11), one)
    assert torch.equal(spoken(subject, 0, 8, prompt(0), 11), one)
    assert not torch.equal(spoken(subject, 4, 8, prompt(0), 12), one)


def test_a_slot_keeps_nothing_of_who_had_it_before() -> None:
    subject = runner()
    fresh = spoken(subject, 0, 8, prompt(1))
    spoken(subject, 3, 20, prompt(5, prefix=20, text=18), 99)
    subject.decode([(3, 0)], 8).result()
    subject.free(3)
    assert torch.equal(spoken(subject, 3, 8, prompt(1)), fresh)
    expected = decoded(subject, 0, [8])
    assert np.array_equal(decoded(subject, 3, [8]), expected)


def test_text_that_is_fed_in_any_pieces_says_the_same() -> None:
    subject, whole = runner(), prompt(2, text=9)
    expected = spoken(subject, 0, 12, whole)
    for cuts in ([1] * 9, [4, 5], [2, 7]):
        at = cuts[0]
        subject.begin(1, replace(whole, text=whole.text[:at], streams=True), 3, NEVER)
        fed = at
        for size in [*cuts[1:], 1]:
            for _ in range(at):
                subject.step([1]).result()
            subject.feed(1, whole.text[fed : fed + size])
            fed, at = fed + size, size
        for _ in range(12 - 9):
            subject.step([1]).result()
        assert torch.equal(codes(subject, 1, 12), expected)


def decoded(runner: Runner, slot: int, chunks: Sequence[int]) -> np.ndarray:
    sound, at = [], 0
    for frames in chunks:
        sound.append(runner.decode([(slot, at)], frames).result()[0])
        at += frames
    return np.concatenate(sound)


def test_sound_in_chunks_of_many_slots_is_that_of_the_codes_as_a_whole() -> None:
    subject = runner()
    for slot in range(3):
        subject.begin(slot, prompt(slot), slot, NEVER)
    sound: list[list[np.ndarray]] = [[], [], []]
    for step in range(7):
        subject.step([0, 1, 2]).result()
        if step in (0, 2, 6):
            first, frames = {0: (0, 1), 2: (1, 2), 6: (3, 4)}[step]
            pcm = subject.decode([(slot, first) for slot in (2, 0, 1)], frames).result()
            assert pcm.shape == (3, frames * SAMPLES)
            assert pcm.dtype == np.float32
            for row, slot in enumerate((2, 0, 1)):
                sound[slot].append(pcm[row])
    for slot in range(3):
        said = codes(subject, slot, 7).T[None]
        whole = CODEC.decode(said, CODEC.state(1), torch.tensor([0]))[0].numpy()
        assert np.abs(np.concatenate(sound[slot]) - whole).max() < 1e-4


def test_a_call_that_goes_past_the_end_is_right_up_to_it() -> None:
    subject = runner(capacity=9 + 7)
    spoken(subject, 0, 7, prompt(0))
    spoken(subject, 1, 7, prompt(0))
    assert np.allclose(decoded(subject, 0, [8])[: 7 * SAMPLES], decoded(subject, 1, [7]), atol=1e-5)


def test_a_reference_goes_before_the_sound_and_is_not_heard() -> None:
    subject = runner()
    reference = torch.randint(0, TINY.predictor.codes, (16, 20))
    begun = replace(prompt(0), reference=reference)
    said = spoken(subject, 0, 4, begun)
    whole = CODEC.decode(
        torch.cat((reference, said.T), 1)[None], CODEC.state(1), torch.tensor([0])
    )[0].numpy()
    expected = whole[20 * SAMPLES :]
    assert np.abs(decoded(subject, 0, [1, 3]) - expected).max() < 1e-4
    for slot in (1, 2):
        subject.begin(slot, begun, 3, NEVER, reference="voice")
        for _ in range(4):
            subject.step([slot]).result()
        assert np.abs(decoded(subject, slot, [1, 3]) - expected).max() < 1e-4


def test_a_prefix_that_is_kept_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = runner()
    subject.warm([prompt(0)])
    lengths: list[int] = []
    prefill = MODEL.talker.prefill

    def counted(x: Tensor, *rest: object) -> None:
        lengths.append(len(x))
        prefill(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(MODEL.talker, "prefill", counted)
    kept = spoken(subject, 0, 5, prompt(0))
    assert lengths == []
    assert torch.equal(spoken(subject, 1, 5, replace(prompt(0), key=None)), kept)
    assert lengths == [9]


def test_a_sequence_ends_by_its_budget_and_steps_behind_its_end_do_no_harm() -> None:
    subject = runner(capacity=400)
    subject.begin(0, prompt(0), 5, 3)
    subject.begin(1, prompt(1), 5, NEVER)
    ends = []
    for _ in range(200):
        ended, going = subject.step([0, 1]).result()
        ends.append(ended.ended)
        assert not going.ended
    assert any(ends)
    alone = runner(capacity=400)
    assert torch.equal(spoken(alone, 3, 200, prompt(1), 5), codes(subject, 1, 200))


def test_what_does_not_fit_is_refused_and_the_slot_stays_usable() -> None:
    subject = runner(capacity=12)
    assert subject.room(prompt(0)) == 3
    assert subject.room(prompt(0, prefix=12)) == 0
    with pytest.raises(ValueError, match="a prompt of 12"):
        subject.begin(0, prompt(0, prefix=12), 0, NEVER)
    spoken(subject, 0, 3, prompt(0, text=30))
    with pytest.raises(ValueError, match="full"):
        subject.step([0])


def test_a_sequence_goes_on_in_another_slot_as_if_it_had_been_there() -> None:
    subject, whole = runner(capacity=64), prompt(3, text=12)
    expected = spoken(subject, 0, 20, whole)
    sound = decoded(subject, 0, [4, 2, 7, 7])
    subject.begin(1, replace(whole, text=whole.text[:6], streams=True), 3, NEVER)
    for _ in range(6):
        subject.step([1]).result()
    heard = decoded(subject, 1, [4])
    kept = subject.swap_out(1)
    for slot in (1, 4):
        spoken(subject, slot, 30, prompt(5, text=20), 99)
        subject.decode([(slot, 0)], 8).result()
        subject.free(slot)
    subject.swap_in(4, kept)
    rest = subject.decode([(4, 4)], 2).result()[0]
    subject.feed(4, whole.text[6:])
    for _ in range(14):
        subject.step([4]).result()
    assert torch.equal(codes(subject, 4, 20), expected)
    last = [subject.decode([(4, at)], 7).result()[0] for at in (6, 13)]
    assert np.array_equal(np.concatenate([heard, rest, *last]), sound)


def test_end_that_is_not_allowed_never_comes_and_one_that_is_long_due_does() -> None:
    subject = runner(capacity=200)
    subject.begin(0, prompt(1), 3, NEVER)
    results = [subject.step([0]).result()[0] for _ in range(30)]
    assert not any(result.ended for result in results)
    subject.allow(0, 0)
    results = [subject.step([0]).result()[0] for _ in range(120)]
    assert any(result.ended for result in results)
