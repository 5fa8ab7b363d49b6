"""Sequences side by side in an arena, and the two ways through the layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamer.engines.qwen3.config import read_model
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.random_config import SIZES, raw_model
from streamer.engines.qwen3.random_weights import random_tensors, write_random_checkpoint
from streamer.engines.qwen3.shapes import model_shapes
from streamer.engines.qwen3.talker import KvArena

CAPACITY = 24


@pytest.fixture(scope="module")
def model() -> Model:
    config = read_model(raw_model("custom_voice", SIZES["tiny17"]))
    tensors = random_tensors(model_shapes(config), 0, "cpu", torch.float32)
    return Model(config, tensors, Eager(), 8)


def arena(model: Model, slots: int = 3) -> KvArena:
    return KvArena.empty(model.config, slots, CAPACITY, "cpu", torch.float32)


def rows(model: Model, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, model.config.talker.stack.hidden, generator=generator)


def stepped(model: Model, kv: KvArena, slot: int, x: Tensor, start: int) -> Tensor:
    """The last of `x`, one step each."""
    h = x
    for index, row in enumerate(x):
        place = start + index
        h = model.talker.step(row[None], kv, torch.tensor([slot]), torch.tensor([place]), place + 1)
    return h


@pytest.mark.parametrize("cut", [0, 1, 5, 11])
def test_a_prefill_in_any_cutting_is_as_many_steps(model: Model, cut: int) -> None:
    x, one, other = rows(model, 12), arena(model), arena(model)
    model.talker.prefill(x[:cut], one, 1, 0)
    model.talker.prefill(x[cut:11], one, 1, cut)
    assert torch.allclose(
        stepped(model, one, 1, x[11:], 11), stepped(model, other, 1, x, 0), atol=1e-5
    )
    assert torch.allclose(one.k[:, 1], other.k[:, 1], atol=1e-5)
    assert torch.allclose(one.v[:, 1], other.v[:, 1], atol=1e-5)
    assert not one.k[:, (0, 2, 3)].any()


def test_rows_of_a_batch_do_not_know_of_each_other(model: Model) -> None:
    together, lengths = arena(model), (3, 9, 6)
    alone = []
    for slot, length in enumerate(lengths):
        x = rows(model, length + 1, slot)
        model.talker.prefill(x[:-1], together, slot, 0)
        alone.append(stepped(model, arena(model), slot, x, 0))
    order = [2, 0, 1]
    x = torch.cat([rows(model, lengths[slot] + 1, slot)[-1:] for slot in order])
    places = torch.tensor([lengths[slot] for slot in order])
    h = model.talker.step(x, together, torch.tensor(order), places, 10)
    for row, slot in enumerate(order):
        assert torch.allclose(h[row], alone[slot][0], atol=1e-5)


def test_rows_that_pad_a_bucket_change_nothing(model: Model) -> None:
    x = rows(model, 4)
    kv, padded = arena(model), arena(model)
    for used in (kv, padded):
        model.talker.prefill(x[:3], used, 1, 0)
    alone = model.talker.step(x[3:], kv, torch.tensor([1]), torch.tensor([3]), 4)
    both = model.talker.step(
        torch.cat((x[3:], x[:2])), padded, torch.tensor([1, 3, 3]), torch.tensor([3, 0, 0]), 4
    )
    assert torch.allclose(both[0], alone[0], atol=1e-6)
    assert torch.allclose(kv.k[:, :3], padded.k[:, :3], atol=1e-6)


def test_what_lies_beyond_a_position_is_never_read(model: Model) -> None:
    x, clean, dirty = rows(model, 6), arena(model), arena(model)
    dirty.k.fill_(torch.nan)
    dirty.v.fill_(torch.nan)
    model.talker.prefill(x[:5], clean, 0, 0)
    model.talker.prefill(x[:5], dirty, 0, 0)
    slots, place = torch.tensor([0]), torch.tensor([5])
    expected = model.talker.step(x[5:], clean, slots, place, 6)
    found = model.talker.step(x[5:], dirty, slots, place, CAPACITY)
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_frame_depends_on_its_own_row_alone(model: Model) -> None:
    h, first = rows(model, 5), torch.tensor([3, 200, 1279, 0, 7])

    def draw(logits: Tensor, group: int) -> Tensor:
        assert logits.dtype == torch.float32
        return logits.argmax(-1)

    codes, feedback = model.predictor.frame(h, first, draw)
    assert torch.equal(codes[:, 0], first)
    assert torch.allclose(feedback, model.predictor.embed(codes))
    for row in (4, 0, 2):
        one, heard = model.predictor.frame(h[row : row + 1], first[row : row + 1], draw)
        assert torch.equal(one[0], codes[row])
        assert torch.allclose(heard[0], feedback[row], atol=1e-6)


def test_every_group_is_drawn_once_in_order(model: Model) -> None:
    asked: list[int] = []

    def draw(logits: Tensor, group: int) -> Tensor:
        asked.append(group)
        return torch.full((len(logits),), group)

    codes, _ = model.predictor.frame(rows(model, 2), torch.tensor([5, 6]), draw)
    assert asked == list(range(1, 16))
    assert codes.tolist() == [[first, *range(1, 16)] for first in (5, 6)]


def test_bfloat16_says_almost_the_same(model: Model) -> None:
    config = model.config
    exact = random_tensors(model_shapes(config), 0, "cpu", torch.float32)
    rough = Model(config, {name: t.bfloat16() for name, t in exact.items()}, Eager(), 8)
    x = rows(model, 12)
    logits = []
    for one in (model, rough):
        kv = KvArena.empty(config, 1, CAPACITY, "cpu", one.dtype)
        one.talker.prefill(x[:11].to(one.dtype), kv, 0, 0)
        h = one.talker.step(x[11:].to(one.dtype), kv, torch.tensor([0]), torch.tensor([11]), 12)
        logits.append(one.talker.logits(h))
    assert logits[1].dtype == torch.float32
    assert torch.cosine_similarity(logits[0], logits[1]).item() > 0.995


def test_noise_of_one_seed_is_the_same_file(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_random_checkpoint(tmp_path / name, "base", "tiny", seed)
    for file in ("model.safetensors", "speech_tokenizer/model.safetensors"):
        one, same, other = (
            (tmp_path / name / file).read_bytes() for name in ("one", "same", "other")
        )
        assert one == same
        assert one != other
