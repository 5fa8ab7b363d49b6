"""Checkpoints of noise in the published layout: for tests, for benches, for whoever has no weights at hand.

What they say is noise as well, but every sum in them has about the size of its terms, so that codes are drawn
among many and rounding shows. Values depend on seed and name alone: the same on every machine.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from streamer.engines.qwen3.checkpoint import CODEC_WEIGHTS, WEIGHTS
from streamer.engines.qwen3.codec_fields import CODEC_FILE, read_codec
from streamer.engines.qwen3.codec_shapes import Shapes, codec_shapes
from streamer.engines.qwen3.config import (
    FILE,
    SAMPLING_FILE,
    Kind,
    read_model,
)
from streamer.engines.qwen3.random_config import SIZES, Size, raw_codec, raw_model, raw_sampling
from streamer.engines.qwen3.random_text import SPECIAL, vocabulary
from streamer.engines.qwen3.shapes import model_shapes


def write_random_checkpoint(
    root: Path, kind: Kind, size: str | Size, seed: int, dtype: torch.dtype = torch.float32
) -> None:
    """Fill the directory `root` (made if need be) with a checkpoint of `SIZES[size]`, or of a size of
    one's own. A tiny one has about 3 MB, and a tokenizer that knows bytes and a few words."""
    if isinstance(size, str):
        size = SIZES[size]
    (root / "speech_tokenizer").mkdir(parents=True, exist_ok=True)
    model, codec = raw_model(kind, size), raw_codec(size)
    for name, content in {
        FILE: model,
        CODEC_FILE: codec,
        SAMPLING_FILE: raw_sampling(),
        "preprocessor_config.json": {"processor_class": "Qwen3TTSProcessor"},
        "speech_tokenizer/preprocessor_config.json": _FEATURES,
    }.items():
        _write(root / name, content)
    write_tokenizer(root, size.first_special)
    for name, shapes in (
        (WEIGHTS, model_shapes(read_model(model))),
        (CODEC_WEIGHTS, codec_shapes(read_codec(codec)) | _unread(codec)),
    ):
        tensors = {key: values.to(dtype) for key, values in _drawn(shapes, seed)}
        save_file(tensors, root / name, {"format": "pt"})


def random_tensors(
    shapes: Shapes, seed: int, device: torch.device | str, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The same distributions, drawn on the device: other values, and no time lost."""
    generator = torch.Generator(device).manual_seed(seed)
    drawn = {}
    for name, shape in shapes.items():
        centre, half = _spread(name, shape)
        values = torch.empty(shape, device=device, dtype=dtype)
        drawn[name] = values.uniform_(centre - half, centre + half, generator=generator)
    return drawn


def _drawn(shapes: Shapes, seed: int) -> Iterator[tuple[str, Tensor]]:
    for name, shape in shapes.items():
        random = np.random.Generator(np.random.Philox(key=[seed, zlib.crc32(name.encode())]))
        centre, half = _spread(name, shape)
        values = centre + half * (2 * random.random(shape, np.float32) - 1)
        yield name, torch.from_numpy(values.astype(np.float32))


def _spread(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Middle and half of the width of a tensor's uniform distribution."""
    if name.endswith("norm.weight"):
        return 1.0, 0.5
    if name.endswith("cluster_usage"):
        return 1.25, 0.75
    if name.endswith(".scale"):
        return 0.3, 0.2
    if name.endswith("embed_sum") or "embedding" in name:
        deviation = 0.5
    elif name.endswith((".alpha", ".beta", ".gamma")):
        deviation = 0.3
    elif len(shape) == 1:
        deviation = 0.1
    elif ".block.1.conv." in name or (".0.conv." in name and "upsample" in name):
        deviation = 0.8 / sqrt(2 * shape[0])  # transposed: each sample is of two taps
    else:
        deviation = 1.0 / sqrt(prod(shape[1:]))
    return 0.0, sqrt(3) * deviation


def _unread(codec: Mapping[str, Any]) -> Shapes:
    """Tensors that the files have and nobody reads, but a loader that builds the whole of the model."""
    decoder, encoder = codec["decoder_config"], codec["encoder_config"]
    wide, inner, width = decoder["codebook_dim"], encoder["codebook_dim"], encoder["hidden_size"]
    books = encoder["num_quantizers"] - 1
    acoustic = "encoder.quantizer.acoustic_residual_vector_quantizer."
    semantic = "encoder.quantizer.semantic_residual_vector_quantizer."
    shapes: Shapes = {
        f"{acoustic}output_proj.weight": (width, inner, 1),
        f"{semantic}output_proj.weight": (width, inner, 1),
        f"{semantic}layers.0.codebook.initialized": (1,),
    }
    for part in ("first", "rest"):
        shapes[f"decoder.quantizer.rvq_{part}.input_proj.weight"] = (wide // 2, wide, 1)
    for book in range(books):
        codebook = f"{acoustic}layers.{book}.codebook."
        shapes[f"{codebook}initialized"] = (1,)
        shapes[f"{codebook}embed_sum"] = (encoder["codebook_size"], inner)
        shapes[f"{codebook}cluster_usage"] = (encoder["codebook_size"],)
    return shapes


def write_tokenizer(root: Path, first_special: int) -> None:
    """Its files alone; control tokens get the ids from `first_special` on."""
    words, merges = vocabulary(first_special)
    _write(root / "vocab.json", words)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (root / "merges.txt").write_text("\n".join(lines), "utf-8")
    tokens = {
        str(first_special + index): {
            "content": content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for index, content in enumerate(SPECIAL)
    }
    _write(
        root / "tokenizer_config.json",
        {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": tokens,
            "bos_token": None,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        },
    )


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


_FEATURES = {
    "feature_extractor_type": "EncodecFeatureExtractor",
    "feature_size": 1,
    "sampling_rate": 24000,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": True,
    "chunk_length_s": None,
    "overlap": None,
}
