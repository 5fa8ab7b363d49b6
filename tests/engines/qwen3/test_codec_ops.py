from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from streamer.engines.qwen3.codec_eager import CodecEager
from streamer.engines.qwen3.codec_ops import Window

OPS = CodecEager()


def window_of(positions: list[int], frames: int, ring: int, span: int) -> Window:
    slow = torch.tensor([1.0, 0.1])
    return Window(torch.tensor(positions), frames, ring, span, slow, torch.float32)


@pytest.mark.parametrize("position", [0, 3, 7, 8, 40, 1003])
@pytest.mark.parametrize("frames", [1, 3, 5])
def test_a_frame_sees_its_span_wherever_the_ring_is_turned(position: int, frames: int) -> None:
    ring, span = 8, 4
    mask = window_of([position], frames, ring, span).mask[0, 0]
    kept: dict[int, int] = {number % ring: number for number in range(position + frames)}
    for frame in range(frames):
        now = position + frame
        seen = {place for place, number in kept.items() if now - span < number <= now}
        assert {int(place) for place in (mask[frame] == 0).nonzero()} == seen
        assert len(seen) == min(span, now + 1)


def test_attention_over_a_ring_is_attention_over_all_there_was() -> None:
    h, d, span, ring = 2, 4, 6, 16
    qkv = torch.randn(1, 50, 3 * h * d, generator=torch.Generator().manual_seed(1))
    wide = torch.zeros(1, 50, 2, h, d)
    alone = torch.tensor([0])
    wanted = OPS.attend_window(qkv, wide, alone, window_of([0], 50, 50, span))
    rings, heard, start = torch.zeros(3, ring, 2, h, d), [], 0
    for frames in (1, 2, 4, 8, 11, 2, 11, 11):
        part, slots = qkv[:, start : start + frames], torch.tensor([1])
        heard.append(OPS.attend_window(part, rings, slots, window_of([start], frames, ring, span)))
        start += frames
    assert start == 50
    assert (torch.cat(heard, 1) - wanted).abs().max() <= 1e-5
    assert not rings[0].any()
    assert not rings[2].any()


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_what_is_carried_is_the_end_of_what_came_before(steps: int) -> None:
    whole = torch.randn(2, 15, 4, generator=torch.Generator().manual_seed(2))
    alpha, beta = torch.tensor([0.5, 1, 2, 3]), torch.tensor([1.0, 2, 0.5, 0.1])
    activated = OPS.snake(whole, alpha, beta)
    state = torch.zeros(4, 30)
    past, slots = state[:, 8:20].view(4, 3, 4), torch.tensor([2, 0])
    for start in range(0, 15, steps):
        joined = OPS.carry(whole[:, start : start + steps], past, slots, alpha, beta)
        before = torch.cat((torch.zeros(2, 3, 4), activated), 1)[:, start : start + 3 + steps]
        assert torch.equal(joined, before)
        assert joined.is_contiguous()
    assert torch.equal(past[slots], activated[:, -3:])
    assert not past[1].any()
    assert not state[:, :8].any()
    assert not state[:, 20:].any()


def test_snake_is_computed_wide_and_rounded_once() -> None:
    x = torch.randn(1, 9, 2, generator=torch.Generator().manual_seed(3)).bfloat16()
    alpha, beta = torch.tensor([2.0, 5.0]), torch.tensor([0.5, 2.0])
    wide = x.double() + beta.double() * (alpha.double() * x.double()).sin().square()
    assert (OPS.snake(x, alpha, beta).double() - wide).abs().max() <= wide.abs().max() * 2**-8


def test_the_last_convolution_is_one_and_stays_in_range() -> None:
    generator = torch.Generator().manual_seed(4)
    x, weight = torch.randn(2, 12, 3, generator=generator), torch.randn(7, 3, generator=generator)
    bias = torch.tensor([0.1])
    wanted = torch.nn.functional.conv1d(x.transpose(1, 2), weight.t()[None], bias)[:, 0]
    assert (OPS.to_sound(x, weight, bias) - wanted.clamp(-1, 1)).abs().max() <= 1e-5
