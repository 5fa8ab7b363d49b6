"""Each Triton kernel against its twin in plain torch; without a GPU, by Triton's interpreter."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch
from torch import Tensor

from streamer.engines.qwen3.codec_ops import Window
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.fused import Fused, fused_pick
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.sampling import eager_pick

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
EAGER, FUSED = Eager(), Fused()
BOTH: tuple[Ops, Ops] = FUSED, EAGER
SLOTS = 5


def random(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return drawn.to(DEVICE, dtype)


def near(fused: Tensor, eager: Tensor) -> None:
    assert fused.shape == eager.shape
    assert fused.dtype == eager.dtype
    close = {torch.float32: 1e-5, torch.float16: 2e-3}.get(fused.dtype, 2e-2)
    torch.testing.assert_close(fused, eager, rtol=close, atol=close)


HALF = torch.bfloat16 if DEVICE.type == "cuda" else torch.float16  # which the interpreter knows
KINDS = pytest.mark.parametrize("dtype", [torch.float32, HALF], ids=str)


@KINDS
@pytest.mark.parametrize("width", [64, 96, 1024])
def test_norms(width: int, dtype: torch.dtype) -> None:
    x, residual = random(3, width, dtype=dtype), random(3, width, seed=2, dtype=dtype)
    weight = random(width, seed=3, dtype=dtype)
    near(FUSED.rms_norm(x, weight, 1e-6), EAGER.rms_norm(x, weight, 1e-6))
    expected = EAGER.add_rms_norm(x, residual.clone(), weight, 1e-6)
    normed, total = FUSED.add_rms_norm(x, residual.clone(), weight, 1e-6)
    near(normed, expected[0])
    assert torch.equal(total, expected[1])


@KINDS
@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize(("width", "many"), [(64, 96), (1024, 40), (3072, 17), (96, 1030)])
def test_products_and_what_goes_before_them(
    width: int, many: int, rows: int, dtype: torch.dtype
) -> None:
    x, residual = random(rows, width, dtype=dtype), random(rows, width, seed=2, dtype=dtype)
    weight = random(many, width, seed=3, dtype=dtype) * width**-0.5
    norm, bias = random(width, seed=4, dtype=dtype), random(many, seed=5, dtype=dtype)
    near(FUSED.linear(x, weight), EAGER.linear(x, weight))
    near(FUSED.linear(x, weight, bias), EAGER.linear(x, weight, bias))
    for before in (None, residual):
        kept = (x.clone(), residual.clone())
        fused = FUSED.normed_linear(x, before, norm, 1e-6, weight, bias)
        eager = EAGER.normed_linear(x, before, norm, 1e-6, weight, bias)
        near(fused[0], eager[0])
        near(fused[1], eager[1])
        assert torch.equal(x, kept[0])
        assert torch.equal(residual, kept[1])
    gate_up = random(rows, 2 * width, seed=6, dtype=dtype)
    near(FUSED.swiglu_linear(gate_up, weight), EAGER.swiglu_linear(gate_up, weight))


@KINDS
@pytest.mark.parametrize("width", [96, 3072])
def test_swiglu(width: int, dtype: torch.dtype) -> None:
    x = random(3, 2 * width, dtype=dtype)
    near(FUSED.swiglu(x), EAGER.swiglu(x))


@KINDS
@pytest.mark.parametrize(("heads", "kv", "d"), [(4, 2, 16), (16, 8, 128), (4, 4, 32)])
def test_queries_are_turned_and_keys_kept(heads: int, kv: int, d: int, dtype: torch.dtype) -> None:
    qkv = random(4, (heads + 2 * kv) * d, dtype=dtype)
    norms = random(d, seed=2, dtype=dtype), random(d, seed=3, dtype=dtype)
    cos, sin = random(20, d // 2, seed=4), random(20, d // 2, seed=5)
    slots = torch.tensor([3, 0, 3, 1], device=DEVICE)
    positions = torch.tensor([7, 0, 8, 19], device=DEVICE)
    caches = [random(2, SLOTS, kv, 20, d, seed=6, dtype=dtype) for _ in range(4)]
    results = [
        ops.rotate_and_store(qkv, *norms, 1e-6, cos, sin, k[1], v[1], slots, positions)
        for ops, (k, v) in zip(BOTH, (caches[:2], caches[2:]), strict=True)
    ]
    near(*results)
    near(caches[0], caches[2])
    assert torch.equal(caches[1], caches[3])
    assert torch.equal(caches[0][0], caches[2][0])


@KINDS
@pytest.mark.parametrize("capacity", [17, 200])
@pytest.mark.parametrize("rows", [2, 35])
def test_attention_reads_what_is_there_and_nothing_else(
    rows: int, capacity: int, dtype: torch.dtype
) -> None:
    heads, kv, d = 4, 2, 16
    q = random(rows, heads, d, dtype=dtype)
    k = random(SLOTS, kv, capacity, d, seed=2, dtype=dtype)
    v = random(SLOTS, kv, capacity, d, seed=3, dtype=dtype)
    slots = torch.arange(rows, device=DEVICE) % 4
    ends = torch.tensor([0, 5, 16, capacity - 1], device=DEVICE)
    for slot, end in enumerate(ends.tolist()):
        k[slot, :, end + 1 :] = torch.nan
        v[slot, :, end + 1 :] = torch.nan
    positions = ends[slots]
    near(
        FUSED.attend(q, k, v, slots, positions, capacity),
        EAGER.attend(q, k, v, slots, positions, capacity),
    )


@pytest.mark.parametrize("long", [70, 199])
def test_attention_split_over_few_or_many_keys_is_the_same(long: int) -> None:
    q, k, v = random(1, 16, 128), random(2, 8, 256, 128, seed=2), random(2, 8, 256, 128, seed=3)
    slots, positions = torch.tensor([1], device=DEVICE), torch.tensor([long], device=DEVICE)
    near(FUSED.attend(q, k, v, slots, positions, 256), EAGER.attend(q, k, v, slots, positions, 256))


@pytest.mark.parametrize(("width", "top_k"), [(256, 50), (2048, 50), (1280, 0), (256, 256)])
def test_codes_are_picked_alike(width: int, top_k: int) -> None:
    rows = 24
    logits = (random(rows, width) * 3).bfloat16().float()
    logits[:, 7] = -torch.inf
    logits[1] = 0.0
    uniform = torch.rand(rows, generator=torch.Generator().manual_seed(2)).double().to(DEVICE)
    uniform[:3] = torch.tensor([0.0, 0.0, 1 - 2**-53], dtype=torch.float64)
    picked = fused_pick(logits, uniform, 0.9, top_k, 1.0)
    assert torch.equal(picked, eager_pick(logits, uniform, 0.9, top_k, 1.0))
    half = logits.to(HALF)
    assert torch.equal(
        fused_pick(half, uniform, 0.9, top_k, 1.0), eager_pick(half, uniform, 0.9, top_k, 1.0)
    )
    assert torch.equal(
        fused_pick(logits, uniform, 0.9, top_k, 0.8), eager_pick(logits, uniform, 0.9, top_k, 0.8)
    )


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_logits_that_are_no_numbers_give_an_index_all_the_same() -> None:
    uniform = torch.zeros(2, dtype=torch.float64, device=DEVICE)
    ids = fused_pick(torch.full((2, 256), torch.nan, device=DEVICE), uniform, 0.9, 50, 1.0)
    assert ((ids >= 0) & (ids < 256)).all()


@KINDS
def test_snake(dtype: torch.dtype) -> None:
    x = random(2, 70, 48, dtype=dtype)
    alpha, beta = random(48, seed=2).exp(), random(48, seed=3).exp()
    near(FUSED.snake(x, alpha, beta), EAGER.snake(x, alpha, beta))


@pytest.mark.parametrize("past", [1, 6, 54])
@pytest.mark.parametrize("steps", [1, 5, 60])
@pytest.mark.parametrize("snake", [False, True])
def test_what_came_before_is_carried(past: int, steps: int, snake: bool) -> None:
    width = 48
    alpha, beta = random(width, seed=2).exp(), random(width, seed=3).exp()
    slots = torch.tensor([3, 0], device=DEVICE)
    flats = [random(SLOTS, past * width + 40, seed=4) for _ in range(2)]
    for call in range(2):
        x = random(2, steps, width, seed=10 + call)
        outs = [
            ops.carry(
                x,
                flat[:, 16 : 16 + past * width].view(SLOTS, past, width),
                slots,
                *((alpha, beta) if snake else ()),
            )
            for ops, flat in zip(BOTH, flats, strict=True)
        ]
        near(*outs)
        near(*flats)


@KINDS
@pytest.mark.parametrize(("d", "span", "places"), [(8, 8, 24), (64, 72, 88)])
@pytest.mark.parametrize("frames", [1, 4, 16])
def test_a_window_of_frames_is_attended_to(
    frames: int, d: int, span: int, places: int, dtype: torch.dtype
) -> None:
    heads, rows = 2, 3
    slots = torch.tensor([2, 0, 3], device=DEVICE)
    start = torch.tensor([0, 3, 500], device=DEVICE)
    slow = 1e4 ** -(torch.arange(0, d, 2, device=DEVICE) / d)
    rings = [random(SLOTS, places, 2, heads, d, seed=3, dtype=dtype) for _ in range(2)]
    for call in range(3):
        qkv = random(rows, frames, 3 * heads * d, seed=call, dtype=dtype)
        outs = [
            ops.attend_window(
                qkv,
                ring,
                slots,
                Window(start + call * frames, frames, places, span, slow, dtype),
            )
            for ops, ring in zip(BOTH, rings, strict=True)
        ]
        near(*outs)
        near(*rings)


@KINDS
def test_the_last_convolution(dtype: torch.dtype) -> None:
    x, weight, bias = random(2, 6 + 100, 24, dtype=dtype), random(7, 24, seed=2), random(1, seed=3)
    near(FUSED.to_sound(x, weight * 0.1, bias), EAGER.to_sound(x, weight * 0.1, bias))
