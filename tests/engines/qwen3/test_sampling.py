from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from streamer.engines.qwen3.config import Sampling, read_model
from streamer.engines.qwen3.random_config import SIZES, raw_model
from streamer.engines.qwen3.sampling import NEVER, Draw, Uniforms, eager_pick
from tests.engines.qwen3.tiny import CPU

GOLDENS = Path(__file__).parent / "goldens" / "sampling.npz"
CONFIG = read_model(raw_model("custom_voice", SIZES["0.6B"]))
VOCAB, END = CONFIG.talker.vocab, CONFIG.ids.codec_eos


def draw(**changes: float | bool) -> Draw:
    return Draw(CONFIG, replace(Sampling(), **changes), CPU)  # type: ignore[arg-type]


def uniforms(number: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(number))


def first(
    sampler: Draw,
    logits: torch.Tensor,
    *,
    frame: int = 5,
    budget: int = 100,
    rows: int = 1,
    seed: int = 1,
) -> torch.Tensor:
    return sampler.first(
        logits.expand(rows, -1),
        torch.zeros(rows, VOCAB, dtype=torch.bool),
        torch.full((rows,), frame),
        torch.full((rows,), budget),
        uniforms(rows, seed),
    )


@pytest.mark.parametrize("case", range(5))
def test_first_codes_are_distributed_as_the_reference_says(case: int) -> None:
    goldens = np.load(GOLDENS)
    _, temperature, top_k, top_p = goldens["cases"][case]
    logits = torch.from_numpy(goldens[f"logits{case}"].astype(np.float32))
    before = torch.from_numpy(goldens[f"before{case}"].astype(np.int64))
    likely = goldens[f"likely{case}"].astype(np.float64)
    n = 20_000
    sampler = draw(temperature=temperature, top_k=int(top_k), top_p=top_p)
    seen = torch.zeros(VOCAB, dtype=torch.bool)
    seen[before] = True
    counts = np.zeros(VOCAB)
    for part in torch.split(uniforms(n), 2000):
        ids = sampler.first(
            logits.expand(len(part), -1),
            seen.expand(len(part), -1),
            torch.full((len(part),), len(before)),
            torch.full((len(part),), 10_000),
            part,
        )
        counts += np.bincount(ids.numpy(), minlength=VOCAB)
    assert not counts[likely == 0].any()
    often = likely * n >= 5
    observed = np.append(counts[often], counts[~often].sum())
    expected = np.append(likely[often] * n, likely[~often].sum() * n)
    if expected[-1] < 5:
        observed, expected = observed[:-1], expected[:-1]
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 0.001


def test_further_codes_are_distributed_as_their_logits_cut_to_the_highest() -> None:
    logits = torch.randn(2048, generator=torch.Generator().manual_seed(2)) * 2
    kept = logits.topk(50)
    likely = (kept.values / 0.9).softmax(-1).double().numpy()
    ids = draw().next(logits.expand(20_000, -1), uniforms(20_000))
    counts = np.bincount(ids.numpy(), minlength=2048)[kept.indices.numpy()]
    assert counts.sum() == 20_000
    assert chisquare(counts, likely / likely.sum() * 20_000).pvalue > 0.001


def test_a_draw_depends_on_neither_its_row_nor_the_other_rows() -> None:
    logits = torch.randn(7, VOCAB, generator=torch.Generator().manual_seed(3))
    seen = torch.rand(7, VOCAB, generator=torch.Generator().manual_seed(4)) < 0.2
    frame, budget, uniform = torch.arange(7), torch.full((7,), 3), uniforms(7)
    together = draw().first(logits, seen, frame, budget, uniform)
    order = torch.tensor([4, 2, 6, 0])
    others = draw().first(logits[order], seen[order], frame[order], budget[order], uniform[order])
    assert torch.equal(others, together[order])


@pytest.mark.parametrize("greedy", [False, True])
def test_control_ids_are_never_drawn_and_the_end_not_in_the_first_two_frames(greedy: bool) -> None:
    logits = torch.zeros(VOCAB)
    logits[2048:] = 50.0
    sampler = draw(greedy=greedy)
    for frame, ended in ((0, False), (1, False), (2, True)):
        ids = first(sampler, logits, frame=frame, rows=20)
        assert bool((ids == END).all()) is ended
        assert bool((ids < 2048).all()) is not ended


def test_a_code_that_was_drawn_before_becomes_less_likely() -> None:
    sampler = draw(repetition_penalty=2.0)
    logits = torch.zeros(1, VOCAB)
    logits[0, :3] = torch.tensor([4.0, -4.0, 3.0])
    seen = torch.zeros(1, VOCAB, dtype=torch.bool)
    seen[0, :2] = True
    allowed = sampler.allowed(logits, seen, torch.tensor([9]), torch.tensor([99]))
    assert allowed[0, :3].tolist() == [2.0, -8.0, 3.0]


def test_an_end_that_does_not_come_comes_after_the_budget() -> None:
    logits = torch.randn(VOCAB, generator=torch.Generator().manual_seed(5))
    logits[END] = -32.0
    sampler = draw()
    ends = [
        bool((first(sampler, logits, frame=frame, budget=75, rows=50) == END).all())
        for frame in (75, 190)
    ]
    assert ends == [False, True]


def test_an_end_that_is_not_wanted_never_comes() -> None:
    logits = torch.zeros(VOCAB)
    logits[END] = 50.0
    assert not (first(draw(), logits, budget=NEVER, rows=50) == END).any()


def test_logits_that_are_no_numbers_give_an_index_all_the_same() -> None:
    ids = eager_pick(torch.full((3, 2048), torch.nan), uniforms(3), 0.9, 50, 1.0)
    assert ((ids >= 0) & (ids < 2048)).all()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(-4, 4), min_size=3, max_size=20),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 20),
    st.sampled_from([0.3, 0.9, 1.0]),
)
def test_what_is_drawn_is_always_possible(
    logits: list[int], uniform: float, top_k: int, top_p: float
) -> None:
    values = torch.tensor([logits]).float()
    values[0, 0] = -torch.inf
    picked = eager_pick(values, torch.tensor([uniform]).double(), 1.0, top_k, top_p)[0]
    assert values[0, picked] > -torch.inf
    if top_k:
        lowest = values[0].sort(descending=True).values[: min(top_k, len(logits))][-1]
        assert values[0, picked] >= lowest


def test_a_seed_has_its_numbers_whatever_is_asked_before() -> None:
    one, other = Uniforms(7), Uniforms(7)
    rows = [one.frame(frame).copy() for frame in range(200)]
    assert np.array_equal(other.frame(150), rows[150])
    assert np.array_equal(Uniforms(7).frame(3), rows[3])
    assert not np.array_equal(Uniforms(8).frame(3), rows[3])
    assert len(np.unique(rows)) == 200 * 16
    assert Uniforms(-(2**70)).frame(0).shape == (16,)
