"""The codec's encoder: sound to codes, for a voice cloned in context. All of a recording at once, in float32.

Architecture: Mimi's encoder as in transformers 4.57 (`MimiModel.encode`), with the first 16 quantizers. Its
`sliding_window` of 250 is not applied there with torch's attention, and so not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.codec_config import EncoderConfig


@dataclass(frozen=True, slots=True)
class _Conv:
    """Weights of a causal convolution, [out, in, taps], and its bias."""

    weight: Tensor
    bias: Tensor | None
    stride: int = 1

    def __call__(self, x: Tensor, mode: str = "constant") -> Tensor:
        """x [1, in, T] -> [1, out, ceil(T / stride)]; what is missing at either end is padded."""
        before = self.weight.shape[2] - self.stride
        x = functional.pad(x, (before, -x.shape[2] % self.stride), mode)
        return functional.conv1d(x, self.weight, self.bias, self.stride)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A residual block of two convolutions, then one that shortens time."""

    inner: _Conv
    outer: _Conv
    down: _Conv


@dataclass(frozen=True, slots=True)
class _Layer:
    norm: tuple[Tensor, Tensor]
    qkv: Tensor
    out: Tensor
    mlp_norm: tuple[Tensor, Tensor]
    wide: Tensor
    narrow: Tensor


class CodecEncoder:
    """Weights only."""

    def __init__(
        self, config: EncoderConfig, tensors: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """`tensors`: those of `codec_shapes.encoder_shapes`."""
        self.config, self.device = config, device

        def wide(name: str) -> Tensor:
            return tensors[f"encoder.{name}"].to(device, torch.float32)

        def conv(index: str, stride: int = 1) -> _Conv:
            name = f"encoder.layers.{index}.conv"
            return _Conv(wide(f"{name}.weight"), wide(f"{name}.bias"), stride)

        def layer(name: str) -> _Layer:
            name = f"encoder_transformer.layers.{name}."
            scales = [
                wide(f"{name}{part}_layer_scale.scale")[:, None] for part in ("self_attn", "mlp")
            ]
            norm, mlp_norm = (
                (wide(f"{name}{part}.weight"), wide(f"{name}{part}.bias"))
                for part in ("input_layernorm", "post_attention_layernorm")
            )
            return _Layer(
                norm=norm,
                qkv=torch.cat([wide(f"{name}self_attn.{part}_proj.weight") for part in "qkv"]),
                out=wide(f"{name}self_attn.o_proj.weight") * scales[0],
                mlp_norm=mlp_norm,
                wide=wide(f"{name}mlp.fc1.weight"),
                narrow=wide(f"{name}mlp.fc2.weight") * scales[1],
            )

        def codebook(name: str) -> Tensor:
            usage = wide(f"{name}.codebook.cluster_usage").clamp(min=1e-5)
            return wide(f"{name}.codebook.embed_sum") / usage[:, None]

        self._first = conv("0")
        self._stages = [
            _Stage(
                conv(f"{3 * number + 1}.block.1"),
                conv(f"{3 * number + 1}.block.3"),
                conv(str(3 * number + 3), rate),
            )
            for number, rate in enumerate(reversed(config.rates))
        ]
        self._last = conv(str(3 * len(config.rates) + 2))
        self._layers = [layer(str(index)) for index in range(config.layers)]
        self._down = _Conv(wide("downsample.conv.weight"), None, 2)
        self._quantizers = []
        for group, books in (("semantic", 1), ("acoustic", config.books - 1)):
            name = f"quantizer.{group}_residual_vector_quantizer."
            tables = [codebook(f"{name}layers.{book}") for book in range(books)]
            self._quantizers.append((wide(f"{name}input_proj.weight").squeeze(2), tables))
        even = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.float32)
        self._slow = 1.0 / config.rope_theta ** (even / config.head_dim)

    @torch.inference_mode()
    def encode(self, sound: Tensor) -> Tensor:
        """Mono float32 [N] at 24 kHz, N > 0 -> codes int64 [books, ceil(N / 1920)]."""
        features = self.features(sound)
        codes = []
        for projection, tables in self._quantizers:
            rest = features @ projection.t()
            for table in tables:
                found = torch.cdist(rest, table).argmin(1)
                rest = rest - table[found]
                codes.append(found)
        return torch.stack(codes)

    @torch.inference_mode()
    def features(self, sound: Tensor) -> Tensor:
        """What is quantized: [ceil(N / 1920), width]."""
        x = self._first(sound.to(self.device, torch.float32)[None, None])
        for stage in self._stages:
            x = x + stage.outer(functional.elu(stage.inner(functional.elu(x))))
            x = stage.down(functional.elu(x))
        x = self._transformed(self._last(functional.elu(x))[0].t())
        return self._down(x.t()[None], "replicate")[0].t()

    def _transformed(self, x: Tensor) -> Tensor:
        """[T, width], 25 a second, each step seeing all before it."""
        config, steps = self.config, x.shape[0]
        angles = torch.arange(steps, device=x.device, dtype=torch.float32)[:, None] * self._slow
        turns = angles.cos()[:, None], angles.sin()[:, None]
        for layer in self._layers:
            y = functional.layer_norm(x, (config.width,), *layer.norm, config.eps)
            q, k, v = (y @ layer.qkv.t()).view(steps, 3, config.heads, -1).unbind(1)
            seen = functional.scaled_dot_product_attention(
                _turned(q, turns).transpose(0, 1)[None],
                _turned(k, turns).transpose(0, 1)[None],
                v.transpose(0, 1)[None],
                is_causal=True,
            )
            x = x + seen[0].transpose(0, 1).reshape(steps, -1) @ layer.out.t()
            y = functional.layer_norm(x, (config.width,), *layer.mlp_norm, config.eps)
            x = x + functional.gelu(y @ layer.wide.t()) @ layer.narrow.t()
        return x


def _turned(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """x [T, heads, d] by angles whose cosines and sines are [T, 1, d / 2]."""
    (a, b), (cos, sin) = x.chunk(2, -1), turns
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)
