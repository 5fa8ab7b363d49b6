"""Random tensors of given shapes for the codec and the speaker encoder, the same wherever they are drawn:
numpy's `RandomState` is frozen. No torch, so that the reference's environment can import this file by path.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

CODEC_SEED, SPEAKER_SEED, CODES_SEED, SOUND_SEED = 1, 2, 3, 4
FRAMES = 160
"""Decoded by the reference in one piece: more than two windows."""
SECONDS = 12.3
"""Of the recording: more steps of the encoder's transformer than its nominal window of 250."""

DECODER: dict[str, Any] = {
    "code_width": 32,
    "latent": 48,
    "width": 32,
    "inner": 64,
    "layers": 3,
    "heads": 4,
    "head_dim": 8,
    "channels": 64,
}
"""`DecoderConfig` of the goldens, as its arguments: small, but for the window of 72."""
ENCODER: dict[str, Any] = {
    "filters": 4,
    "width": 32,
    "layers": 2,
    "heads": 4,
    "head_dim": 8,
    "inner": 64,
    "code_width": 16,
}
SPEAKER: dict[str, Any] = {
    "width": 64,
    "channels": (32, 32, 32, 32, 96),
    "attention": 16,
    "squeeze": 16,
}


def drawn(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Floats]:
    """Tensors that keep a signal's size through the layers."""
    random = np.random.RandomState(seed)
    return {name: _one(random, name, shapes[name]) for name in sorted(shapes)}


def sound(seconds: float, seed: int) -> Floats:
    """Harmonics whose pitch wanders, and some noise: 24 kHz."""
    random = np.random.RandomState(seed)
    time = np.arange(round(seconds * 24_000)) / 24_000
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * time)) / 24_000
    voiced = sum(np.sin(phase * k + k) / k for k in range(1, 12))
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 2.1 * time)
    noise = random.standard_normal(time.size)
    return np.asarray(0.15 * voiced * loud + 0.02 * noise, dtype=np.float32)


def codes(rows: int, frames: int, seed: int) -> npt.NDArray[np.int64]:
    """[rows, 16, frames]."""
    random = np.random.RandomState(seed)
    return random.randint(0, 2048, (rows, 16, frames)).astype(np.int64)


def _one(random: np.random.RandomState, name: str, shape: tuple[int, ...]) -> Floats:
    if name.endswith("cluster_usage"):
        return random.uniform(0.5, 2, shape).astype(np.float32)
    normal = random.standard_normal(shape).astype(np.float32)
    if name.endswith(("embedding_sum", "embed_sum")):
        return normal
    if name.endswith(".bias"):
        return normal * np.float32(0.05)
    if name.endswith((".alpha", ".beta", ".gamma", ".scale")):
        return normal * np.float32(0.3)
    if len(shape) == 1:
        return 1 + normal * np.float32(0.2)
    fan: float = float(np.prod(shape[1:]))
    if ".block.1.conv.weight" in name and name.startswith("decoder."):
        fan = 2 * shape[0]
    elif ".0.conv.weight" in name and name.startswith("decoder.upsample."):
        fan = shape[0]
    if name == "decoder.decoder.6.conv.weight":
        return normal * np.float32(0.2 / sqrt(fan))
    gain = 0.4 if ".conv2.conv." in name or ".block.3.conv." in name else 0.8
    return normal * np.float32(gain / sqrt(fan))
