from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from streamer.engines.qwen3.codec_config import (
    CodecConfig,
    DecoderConfig,
    EncoderConfig,
)
from streamer.engines.qwen3.codec_encoder import CodecEncoder
from streamer.engines.qwen3.codec_shapes import codec_shapes
from tests.engines.qwen3 import codec_weights as weights
from tests.engines.qwen3.codec_goldens import golden, tensors

CONFIG = EncoderConfig(**weights.ENCODER)


@pytest.fixture(scope="module")
def encoder() -> CodecEncoder:
    shapes = codec_shapes(CodecConfig(DecoderConfig(**weights.DECODER), CONFIG))
    return CodecEncoder(CONFIG, tensors(shapes, weights.CODEC_SEED), torch.device("cpu"))


def test_what_is_quantized_is_the_references_beyond_250_steps_too(encoder: CodecEncoder) -> None:
    sound = torch.from_numpy(weights.sound(weights.SECONDS, weights.SOUND_SEED))
    assert (encoder.features(sound) - golden("features")).abs().max() <= 1e-4


def test_codes_are_the_references(encoder: CodecEncoder) -> None:
    sound = torch.from_numpy(weights.sound(weights.SECONDS, weights.SOUND_SEED))
    codes = encoder.encode(sound)
    assert codes.dtype == torch.int64
    assert torch.equal(codes, golden("codes").long())


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (1920, 1), (1921, 2), (24_000, 13)])
def test_a_frame_begun_is_a_frame(encoder: CodecEncoder, samples: int, frames: int) -> None:
    codes = encoder.encode(torch.from_numpy(weights.sound(1.0, 5))[:samples])
    assert codes.shape == (16, frames)
