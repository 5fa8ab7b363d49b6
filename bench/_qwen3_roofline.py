"""The least work that frames of Qwen3-TTS are, counted from the shapes: bytes through memory, floating-point
operations. Pure, no torch.

Each weight is read once a pass, each key and value once a step, each convolution reads its input and writes
its output once; what lies between (norms, activations) is taken to be fused away. No version runs much faster
than the larger of the two times that this gives on a device whose rates were measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from streamer.engines.qwen3.codec_config import DecoderConfig
from streamer.engines.qwen3.config import ModelConfig, StackConfig
from streamer.engines.qwen3.shapes import model_shapes

_SAMPLE_BYTES = 4
"""Sound leaves as float32, and the codec's tables are kept in it."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a device does at best: bytes and floating-point operations a second."""

    bytes_per_s: float
    flop_per_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Bytes moved and floating-point operations done."""

    bytes: float
    flop: float

    def __add__(self, other: Work) -> Work:
        return Work(self.bytes + other.bytes, self.flop + other.flop)

    def __truediv__(self, parts: float) -> Work:
        return Work(self.bytes / parts, self.flop / parts)

    def floor_ms(self, ceilings: Ceilings) -> float:
        return 1000 * max(self.bytes / ceilings.bytes_per_s, self.flop / ceilings.flop_per_s)


def talker(config: ModelConfig, rows: int, positions: int, width: int = 2) -> Work:
    """One step of `rows` sequences, each with so many `positions` before it. `width`: bytes of a number."""
    stack = config.talker.stack
    weights = _weights(config, "talker.model.layers.", "talker.codec_head.")
    seen = rows * (positions + 1)
    mixed = 4 * seen * stack.layers * stack.heads * stack.head_dim
    # Keys and values are read where they were, and one position is written.
    kept = (seen + rows) * position_bytes(stack, width)
    return Work(weights * width + kept, 2 * weights * rows + mixed)


def predictor(config: ModelConfig, rows: int, width: int = 2, cache: int = 0) -> Work:
    """The other codes of a frame of `rows` sequences: a pass for each, the first of two positions. Layers
    that fit into `cache` bytes are read once, others at every pass."""
    name, stack = "talker.code_predictor.", config.predictor.stack
    passes = config.talker.groups - 1
    layers, heads = _weights(config, f"{name}model.layers."), _weights(config, f"{name}lm_head.")
    # What codes are looked up in holds the projection already, so only the hidden state meets it.
    project = _weights(config, f"{name}small_to_mtp_projection.") if config.projects else 0
    reads = 1 if layers * width <= cache else passes
    seen = rows * sum(range(2, passes + 2))
    mixed = 4 * seen * stack.layers * stack.heads * stack.head_dim
    return Work(
        (layers * reads + heads + project) * width + seen * position_bytes(stack, width),
        2 * rows * (layers * (passes + 1) + heads + project) + mixed,
    )


def codec(config: DecoderConfig, rows: int, frames: int, width: int = 2) -> Work:
    """One call that decodes the next `frames` of `rows` streams."""
    convolutions = list(_convolutions(config))
    weights = sum(convolution.weights for convolution in convolutions)
    features = sum(convolution.features for convolution in convolutions)
    steps = sum(convolution.weights * convolution.steps for convolution in convolutions)
    window = config.layers * 2 * config.heads * config.head_dim * config.window
    tables = config.books * config.code_width * _SAMPLE_BYTES
    each = features * width + tables + config.frame_samples * _SAMPLE_BYTES
    return Work(
        weights * width + rows * (frames * each + window * width),
        rows * frames * 2 * (steps + window),
    )


def step(
    model: ModelConfig,
    decoder: DecoderConfig,
    rows: int,
    positions: int,
    frames: int,
    width: int = 2,
    cache: int = 0,
) -> Work:
    """A frame of each of `rows` streams and its share of codec calls of so many `frames`."""
    speech = talker(model, rows, positions, width) + predictor(model, rows, width, cache)
    return speech + codec(decoder, rows, frames, width) / frames


def position_bytes(stack: StackConfig, width: int = 2) -> int:
    """What one position takes in a cache of keys and values."""
    return stack.layers * 2 * stack.kv_heads * stack.head_dim * width


@dataclass(frozen=True, slots=True)
class Convolution:
    """`steps`: how often a frame goes through it."""

    inputs: int
    outputs: int
    taps: int
    steps: int

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs * self.taps

    @property
    def features(self) -> int:
        return (self.inputs + self.outputs) * self.steps


def _convolutions(config: DecoderConfig) -> Iterator[Convolution]:
    """The decoder as it is kept: what nothing nonlinear parts is one. A transposed convolution is one of one
    or two taps that makes several steps of each."""
    heads = config.heads * config.head_dim
    yield Convolution(config.code_width, config.width, 3, 1)
    for _ in range(config.layers):
        yield Convolution(config.width, 3 * heads, 1, 1)
        yield Convolution(heads, config.width, 1, 1)
        yield Convolution(config.width, 2 * config.inner, 1, 1)
        yield Convolution(config.inner, config.width, 1, 1)
    steps, channels, latent = 1, config.width, config.latent
    for ratio in config.ratios:
        yield Convolution(channels, ratio * latent, 1, steps)
        steps, channels = steps * ratio, latent
        yield Convolution(1, latent, 7, steps)
        yield Convolution(latent, 4 * latent, 1, steps)
        yield Convolution(4 * latent, latent, 1, steps)
    yield Convolution(latent, config.channels, 7, steps)
    channels = config.channels
    for rate in config.rates:
        yield Convolution(channels, rate * channels // 2, 2, steps)
        steps, channels = steps * rate, channels // 2
        for _ in range(3):
            yield Convolution(channels, channels, 7, steps)
            yield Convolution(channels, channels, 1, steps)
    yield Convolution(channels, 1, 7, steps)


def _weights(config: ModelConfig, *prefixes: str) -> int:
    return sum(
        prod(shape) for name, shape in model_shapes(config).items() if name.startswith(prefixes)
    )
