"""A model and a codec of the published layout, small and random, for what needs no files."""

from __future__ import annotations

import torch

from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_fields import read_codec
from streamer.engines.qwen3.codec_shapes import decoder_shapes
from streamer.engines.qwen3.config import Sampling, read_model
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.random_config import SIZES, raw_codec, raw_model
from streamer.engines.qwen3.random_weights import random_tensors
from streamer.engines.qwen3.shapes import model_shapes

TINY = read_model(raw_model("custom_voice", SIZES["tiny"]))
CODEC = read_codec(raw_codec(SIZES["tiny"])).decoder
SAMPLING = Sampling()
CPU = torch.device("cpu")


def tiny_model(rows: int = 8, seed: int = 0) -> Model:
    tensors = random_tensors(model_shapes(TINY), seed, CPU, torch.float32)
    return Model(TINY, tensors, Eager(), rows)


def tiny_codec(seed: int = 1) -> Codec:
    tensors = random_tensors(decoder_shapes(CODEC), seed, CPU, torch.float32)
    # Less loud, so that nothing is clipped.
    tensors["decoder.decoder.6.conv.weight"] *= 0.01
    return Codec(CODEC, tensors, Eager(), CPU, torch.float32)
