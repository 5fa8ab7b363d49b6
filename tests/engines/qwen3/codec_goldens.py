"""What the reference made, and the weights that it made it with, as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.engines.qwen3 import codec_weights

_FILE = Path(__file__).parent / "goldens" / "codec.npz"


def golden(name: str) -> Tensor:
    """One array of what `make_codec_goldens.py` wrote."""
    with np.load(_FILE) as arrays:
        return torch.from_numpy(arrays[name])


def tensors(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    drawn = codec_weights.drawn(shapes, seed)
    return {name: torch.from_numpy(value) for name, value in drawn.items()}
