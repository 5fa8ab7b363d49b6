"""The engine on the smallest checkpoints of noise that there can be, as a `module:callable`.

Noise does not end by itself, so its budget is small. Checkpoints are written once per process.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from safetensors.torch import load_file, save_file

from streamer.config import Settings
from streamer.engines.qwen3 import engine
from streamer.engines.qwen3.budget import Budget
from streamer.engines.qwen3.checkpoint import CODEC_WEIGHTS
from streamer.engines.qwen3.config import KINDS, Kind
from streamer.engines.qwen3.random_config import SIZES
from streamer.engines.qwen3.random_weights import write_random_checkpoint

BUDGET = Budget(least=10, per_token=1.1, over=20)
SIZE = replace(
    SIZES["tiny"],
    hidden=32,
    intermediate=48,
    layers=1,
    predictor_intermediate=48,
    predictor_layers=1,
)


@cache
def root() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="qwen3-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@cache
def checkpoint(kind: Kind) -> str:
    """The directory of one."""
    path = root() / kind
    write_random_checkpoint(path, kind, SIZE, 0)
    codec = path / CODEC_WEIGHTS
    tensors = load_file(codec)
    for name in tensors:
        # Less loud, so that nothing is clipped and no rounding becomes large.
        if name.startswith("decoder.") and ".conv2." in name:
            tensors[name] *= 0.3
    tensors["decoder.decoder.6.conv.weight"] *= 0.1
    save_file(tensors, codec, {"format": "pt"})
    return str(path)


def settings(*kinds: Kind, slots: int = 8, capacity: int = 640) -> Settings:
    return Settings(
        engines=["qwen3"],
        workers=1,
        qwen3=[checkpoint(kind) for kind in kinds or ("custom_voice",)],
        qwen3_device="cpu",
        qwen3_slots=slots,
        qwen3_capacity=capacity,
    )


def open_engine(_: Settings) -> engine.Qwen3:
    """Of all kinds."""
    return engine.open_engine(settings(*KINDS), BUDGET)
