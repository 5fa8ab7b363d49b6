"""A checkpoint of noise on a device: real shapes, nothing read from a disk, nothing downloaded."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench._qwen3_device import Device
from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_config import DecoderConfig
from streamer.engines.qwen3.codec_fields import read_codec
from streamer.engines.qwen3.codec_shapes import Shapes, decoder_shapes
from streamer.engines.qwen3.config import ModelConfig, Sampling, read_model
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.prompt import Prompt, Prompts
from streamer.engines.qwen3.random_config import SIZES, raw_codec, raw_model
from streamer.engines.qwen3.random_weights import random_tensors, write_tokenizer
from streamer.engines.qwen3.sampling import Pick
from streamer.engines.qwen3.shapes import model_shapes
from streamer.engines.qwen3.tokenizer import Tokenizer, TokenizerFiles

VOICE = "ryan"
OTHERS = ("vivian", "serena", "uncle_fu", "aiden", "ono_anna", "sohee", "eric", "dylan")
LANGUAGE = "english"
TEXT_IDS = 12
"""Tokens of text that a first packet's prompt has: a clause."""


class Drawn(Mapping[str, Tensor]):
    """Random tensors by their names in the file, each drawn anew when it is asked for, so that what is merged
    with others is not held twice. `rounded`: to that type first, so that types can be compared."""

    def __init__(
        self,
        shapes: Shapes,
        device: torch.device,
        dtype: torch.dtype,
        rounded: torch.dtype | None = None,
    ) -> None:
        self._shapes, self._device = shapes, device
        self._dtype, self._rounded = dtype, rounded or dtype

    def __getitem__(self, name: str) -> Tensor:
        seed, shape = zlib.crc32(name.encode()), {name: self._shapes[name]}
        drawn = random_tensors(shape, seed, self._device, torch.float32)[name]
        if ".conv2." in name and name.startswith("decoder.decoder."):
            drawn *= 0.4  # residuals that do not grow from unit to unit
        elif name.startswith("decoder.decoder.6."):
            drawn *= 0.2  # within -1..1
        return drawn.to(self._rounded).to(self._dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


@dataclass(frozen=True, slots=True)
class World:
    """One checkpoint on one device."""

    size: str
    device: Device
    dtype: torch.dtype
    config: ModelConfig
    decoder: DecoderConfig
    sampling: Sampling
    pick: Pick
    model: Model
    codec: Codec
    prompts: Prompts

    def prompt(self, number: int = 0, voice: str = VOICE) -> Prompt:
        """A clause of text that streams, for a preset voice."""
        first = 100 + 37 * number % 200
        return self.prompts.preset(range(first, first + TEXT_IDS), voice, LANGUAGE, more=True)

    def far(self, positions: int) -> Prompt:
        """One that stands behind so many positions of anything."""
        hidden = self.config.talker.stack.hidden
        generator = torch.Generator(self.device.torch).manual_seed(positions)
        rows = torch.empty(positions + 1, hidden, device=self.device.torch, dtype=self.dtype)
        rows.uniform_(-1, 1, generator=generator)
        return Prompt(rows[1:], ("far", positions), rows[0], rows[:0], False, None)


def configs(size: str) -> tuple[ModelConfig, DecoderConfig]:
    chosen = SIZES[size]
    return read_model(raw_model("custom_voice", chosen)), read_codec(raw_codec(chosen)).decoder


def build(
    size: str,
    device: Device,
    dtype: torch.dtype,
    sound: torch.dtype,
    ops: Ops,
    pick: Pick,
    rows: int,
) -> World:
    """`dtype` of the model, `sound` of the codec; `rows`: the most of one step."""
    config, decoder = configs(size)
    model = make_model(config, device, dtype, ops, rows)
    codec = make_codec(decoder, device, sound, ops)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        write_tokenizer(root, SIZES[size].first_special)
        vocab, merges, config_file = (
            root / name for name in ("vocab.json", "merges.txt", "tokenizer_config.json")
        )
        tokenizer = Tokenizer(TokenizerFiles(vocab, merges, config_file))
    prompts = Prompts(model, tokenizer)
    return World(size, device, dtype, config, decoder, Sampling(), pick, model, codec, prompts)


def make_model(
    config: ModelConfig,
    device: Device,
    dtype: torch.dtype,
    ops: Ops,
    rows: int,
    rounded: torch.dtype | None = None,
) -> Model:
    shapes = model_shapes(config)
    return Model(config, Drawn(shapes, device.torch, dtype, rounded), ops, rows)


def make_codec(decoder: DecoderConfig, device: Device, dtype: torch.dtype, ops: Ops) -> Codec:
    tensors = Drawn(decoder_shapes(decoder), device.torch, torch.float32)
    return Codec(decoder, tensors, ops, device.torch, dtype)
