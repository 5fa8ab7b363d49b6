from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_config import FRAME_SAMPLES, DecoderConfig
from streamer.engines.qwen3.codec_shapes import decoder_shapes
from streamer.engines.qwen3.codec_state import CodecState
from streamer.engines.qwen3.eager import Eager
from tests.engines.qwen3 import codec_weights as weights
from tests.engines.qwen3.codec_goldens import golden, tensors

CONFIG = DecoderConfig(**weights.DECODER)
CPU = torch.device("cpu")
RAMP = (1, 2, 4, 8, 12)


def codec_of(dtype: torch.dtype = torch.float32) -> Codec:
    drawn = tensors(decoder_shapes(CONFIG), weights.CODEC_SEED)
    return Codec(CONFIG, drawn, Eager(), CPU, dtype)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return codec_of()


def codes_of(rows: int, frames: int, seed: int = weights.CODES_SEED) -> Tensor:
    return torch.from_numpy(weights.codes(rows, frames, seed))


def whole(codec: Codec, codes: Tensor) -> Tensor:
    rows = codes.shape[0]
    return codec.decode(codes, codec.state(rows), torch.arange(rows))


def streamed(
    codec: Codec, codes: Tensor, chunks: Sequence[int], state: CodecState, slots: Tensor
) -> Tensor:
    """In chunks, the last of which repeats until the codes are at their end."""
    sound, start, count = [], 0, 0
    while start < codes.shape[2]:
        end = start + chunks[min(count, len(chunks) - 1)]
        sound.append(codec.decode(codes[:, :, start:end], state, slots))
        start, count = end, count + 1
    return torch.cat(sound, 1)


def snr_db(heard: Tensor, wanted: Tensor) -> float:
    noise = (heard.double() - wanted.double()).square().sum()
    return float(10 * torch.log10(wanted.double().square().sum() / noise.clamp(min=1e-30)))


def test_what_is_decoded_is_what_the_reference_decodes(codec: Codec) -> None:
    sound = whole(codec, codes_of(2, weights.FRAMES))
    assert sound.dtype == torch.float32
    assert sound.shape == (2, weights.FRAMES * FRAME_SAMPLES)
    begin, end = golden("begin"), golden("end")
    assert (sound[0, : len(begin)] - begin).abs().max() <= 1e-4
    assert (sound[1, -len(end) :] - end).abs().max() <= 1e-4
    frames = sound.view(2, weights.FRAMES, FRAME_SAMPLES)
    assert (frames.mean(2) - golden("means")).abs().max() <= 1e-5
    assert (frames.square().mean(2).sqrt() - golden("loudness")).abs().max() <= 1e-5


@pytest.mark.parametrize("chunks", [(1,), RAMP, (5, 1, 16, 3), (17, 40)], ids=str)
def test_however_it_is_cut_the_sound_is_the_same(codec: Codec, chunks: tuple[int, ...]) -> None:
    codes = codes_of(2, weights.FRAMES)
    wanted = whole(codec, codes)
    heard = streamed(codec, codes, chunks, codec.state(3), torch.tensor([2, 0]))
    assert (heard - wanted).abs().max() <= 1e-4


def test_rows_of_one_call_may_be_anywhere_in_their_streams(codec: Codec) -> None:
    draw = random.Random(8)
    codes = codes_of(4, 130, seed=11)
    wanted = whole(codec, codes)
    state, at = codec.state(4), [0] * 4
    heard: list[list[Tensor]] = [[] for _ in range(4)]
    while min(at) < 130:
        frames = draw.choice((1, 2, 4, 8, 12))
        ready = [row for row in range(4) if at[row] + frames <= 130]
        if not ready:
            continue
        rows = draw.sample(ready, draw.randint(1, len(ready)))
        part = torch.stack([codes[row, :, at[row] : at[row] + frames] for row in rows])
        for row, sound in zip(rows, codec.decode(part, state, torch.tensor(rows)), strict=True):
            heard[row].append(sound)
            at[row] += frames
    for row in range(4):
        assert (torch.cat(heard[row]) - wanted[row]).abs().max() <= 1e-4
    assert state.positions.tolist() == [130, 130, 130, 130, 0]


def test_rows_of_padding_share_the_scratch_row_and_touch_nobody(codec: Codec) -> None:
    codes = codes_of(1, 20, seed=12)
    wanted = whole(codec, codes)
    state = codec.state(2)
    padded = torch.cat((codes, torch.zeros(2, 16, 20, dtype=torch.int64)))
    heard = streamed(codec, padded, RAMP, state, torch.tensor([1, 2, 2]))
    assert (heard[0] - wanted[0]).abs().max() <= 1e-4
    assert not state.flat[0].any()
    assert state.positions[:2].tolist() == [0, 20]


def test_codes_that_are_none_are_decoded_all_the_same(codec: Codec) -> None:
    sound = whole(codec, torch.full((1, 16, 2), 2150))
    assert torch.equal(sound, whole(codec, torch.full((1, 16, 2), 2047)))


@pytest.mark.parametrize(("dtype", "kept_db"), [(torch.bfloat16, 25), (torch.float16, 45)])
def test_in_half_precision_streamed_is_whole_to_40_db(dtype: torch.dtype, kept_db: float) -> None:
    half, codes = codec_of(dtype), codes_of(2, 100)
    wanted = whole(half, codes)
    for chunks in ((1,), RAMP):
        heard = streamed(half, codes, chunks, half.state(3), torch.tensor([2, 0]))
        assert snr_db(heard, wanted) >= 40
    # Of random weights; what real ones lose to half precision is not known here.
    assert snr_db(wanted, whole(codec_of(), codes)) >= kept_db


def test_the_thousandth_frame_costs_what_the_first_did(codec: Codec) -> None:
    codes, slots, state = codes_of(1, 1000, seed=13), torch.tensor([0]), codec.state(1)
    size, costs = state.flat.shape, list[int]()
    for start in range(0, 1000, 8):
        # To count takes four times what it counts: only now and then, the first and the last call among it.
        counter = FlopCounterMode(display=False) if start % 248 == 0 else None
        with counter or nullcontext():
            sound = codec.decode(codes[:, :, start : start + 8], state, slots)
        costs += [counter.get_total_flops()] if counter else []
        assert torch.isfinite(sound).all()
    assert len(costs) == 5
    assert len(set(costs)) == 1
    assert state.flat.shape == size
    assert state.positions.tolist() == [1000, 0]


def test_a_snapshot_goes_on_in_any_slot_as_the_stream_would_have(codec: Codec) -> None:
    codes = codes_of(1, 110, seed=14)
    wanted = whole(codec, codes)[:, 90 * FRAME_SAMPLES :]
    state = codec.state(2)
    codec.decode(codes[:, :, :90], state, torch.tensor([0]))
    kept = state.snapshot(0)
    for slot in (0, 1, 1):
        state.restore(slot, kept)
        heard = codec.decode(codes[:, :, 90:], state, torch.tensor([slot]))
        assert (heard - wanted).abs().max() <= 1e-4


def test_a_slot_that_is_reset_remembers_nothing(codec: Codec) -> None:
    codes = codes_of(2, 20, seed=15)
    state = codec.state(1)
    codec.decode(codes[:1], state, torch.tensor([0]))
    state.reset(0)
    heard = codec.decode(codes[1:], state, torch.tensor([0]))
    assert torch.equal(heard, whole(codec, codes[1:]))


@pytest.mark.parametrize("frames", [1, 9, 16, 17, 100])
def test_a_primed_past_is_a_decoded_one(codec: Codec, frames: int) -> None:
    codes, slots = codes_of(1, frames + 12, seed=16), torch.tensor([0])
    state = codec.state(1)
    codec.prime(codes[:, :, :frames], state, slots)
    heard = codec.decode(codes[:, :, frames:], state, slots)
    assert (heard - whole(codec, codes)[:, frames * FRAME_SAMPLES :]).abs().max() <= 1e-4


def test_no_call_reads_a_value_back_from_the_device() -> None:
    # Fake tensors have shapes and no values: reading one back is an error.
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        codec = codec_of(torch.bfloat16)
        state = codec.state(4)
        codes = fake.from_tensor(codes_of(3, 8))
        sound = codec.decode(codes, state, fake.from_tensor(torch.tensor([0, 1, 4])))
        state.restore(1, state.snapshot(0))
        state.reset(0)
    assert sound.shape == (3, 8 * FRAME_SAMPLES)


def test_the_published_sizes_are_as_published() -> None:
    config = DecoderConfig()
    assert config.frame_samples == FRAME_SAMPLES
    parameters = sum(int(np.prod(shape)) for shape in decoder_shapes(config).values())
    unread = 2 * 256 * 512  # two projections of training
    assert parameters + unread == 114_323_137
    state = CodecState(config, 0, torch.device("meta"), torch.bfloat16)
    assert state.flat.nbytes < 3.2e6
