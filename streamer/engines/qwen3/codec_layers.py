"""The codec decoder's convolutions and layers: weights as the kernels want them, made once in float32.

Sound and features are channels-last, [B, T, C]. Everything looks back only. A transposed convolution of
stride s and kernel s or 2 s is one of one or two taps with s times the channels, seen as s times the
steps: nothing overlaps, nothing is cut off, and its state is one step of input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution over time. `weight` [out, in, 1, taps], channels last in memory."""

    weight: Tensor
    bias: Tensor
    dilation: int = 1

    @property
    def past(self) -> int:
        """How many steps it looks back."""
        return int((self.weight.shape[3] - 1) * self.dilation)

    def __call__(self, x: Tensor) -> Tensor:
        """x [B, past + T, in] -> [B, T, out]. A 2-D convolution of height 1, for which channels-last is a
        memory format: cuDNN then copies no layout."""
        image = x.transpose(1, 2).unsqueeze(2)
        out = functional.conv2d(image, self.weight, self.bias, dilation=(1, self.dilation))
        return out.squeeze(2).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Linear:
    """`weight` [out, in], `bias` [out] or None."""

    weight: Tensor
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Snake:
    """float32 [C] each, ready for use: e^alpha and 1 / (e^beta + 1e-9)."""

    alpha: Tensor
    beta: Tensor


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of the transformer; the layer scales are in `out` and `down`."""

    norm: Tensor
    qkv: Tensor
    out: Tensor
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


@dataclass(frozen=True, slots=True)
class Block:
    """A ConvNeXt block; its gamma is in `narrow`. `depthwise` float32 [C, taps], with its bias."""

    depthwise: Tensor
    bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    wide: Linear
    narrow: Linear


@dataclass(frozen=True, slots=True)
class Unit:
    """A residual unit: snake, dilated convolution, snake, 1x1."""

    before: Snake
    conv: Conv
    between: Snake
    mix: Linear


@dataclass(frozen=True, slots=True)
class Stage:
    """Snake, upsampling by `rate` (a convolution of two taps), residual units."""

    before: Snake
    up: Conv
    rate: int
    units: tuple[Unit, ...]


class Weights:
    """Makes layers of the tensors under a prefix: folds in float32, keeps in `dtype` on `device`."""

    def __init__(self, tensors: Tensors, device: torch.device, dtype: torch.dtype) -> None:
        self._tensors, self.device, self.dtype = tensors, device, dtype

    def wide(self, name: str) -> Tensor:
        """In float32."""
        return self._tensors[name].to(self.device, torch.float32)

    def kept(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype).contiguous()

    def conv_of(self, weight: Tensor, bias: Tensor, dilation: int = 1) -> Conv:
        """weight [out, in, taps]."""
        image = self.kept(weight)[:, :, None].contiguous(memory_format=torch.channels_last)
        return Conv(image, self.kept(bias), dilation)

    def conv(self, name: str, dilation: int = 1) -> Conv:
        return self.conv_of(self.wide(f"{name}.weight"), self.wide(f"{name}.bias"), dilation)

    def linear_of(self, weight: Tensor, bias: Tensor | None) -> Linear:
        return Linear(self.kept(weight), None if bias is None else self.kept(bias))

    def transposed(self, name: str, stride: int) -> tuple[Tensor, Tensor]:
        """A transposed convolution as one that looks back: weight [stride * out, in, taps], the oldest
        tap first, and bias; output channel r * out + o is step r, channel o."""
        weight = self.wide(f"{name}.weight")
        into, out, kernel = weight.shape
        taps = kernel // stride
        steps = weight.view(into, out, taps, stride).flip(2).permute(3, 1, 0, 2)
        bias = self.wide(f"{name}.bias").repeat(stride)
        return steps.reshape(stride * out, into, taps), bias

    def snake(self, name: str) -> Snake:
        beta = self.wide(f"{name}.beta").exp() + 1e-9
        return Snake(self.wide(f"{name}.alpha").exp(), beta.reciprocal())

    def layer(self, prefix: str) -> Layer:
        def merged(*names: str) -> Tensor:
            return self.kept(torch.cat([self.wide(f"{prefix}{name}.weight") for name in names]))

        def scaled(name: str, scale: str) -> Tensor:
            scale_ = self.wide(f"{prefix}{scale}.scale")
            return self.kept(self.wide(f"{prefix}{name}.weight") * scale_[:, None])

        return Layer(
            norm=self.kept(self.wide(f"{prefix}input_layernorm.weight")),
            qkv=merged("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            out=scaled("self_attn.o_proj", "self_attn_layer_scale"),
            mlp_norm=self.kept(self.wide(f"{prefix}post_attention_layernorm.weight")),
            gate_up=merged("mlp.gate_proj", "mlp.up_proj"),
            down=scaled("mlp.down_proj", "mlp_layer_scale"),
        )

    def block(self, prefix: str) -> Block:
        gamma = self.wide(f"{prefix}gamma")
        wide, narrow = f"{prefix}pwconv1", f"{prefix}pwconv2"
        return Block(
            depthwise=self.wide(f"{prefix}dwconv.conv.weight").squeeze(1).contiguous(),
            bias=self.wide(f"{prefix}dwconv.conv.bias"),
            norm=self.wide(f"{prefix}norm.weight"),
            norm_bias=self.wide(f"{prefix}norm.bias"),
            wide=self.linear_of(self.wide(f"{wide}.weight"), self.wide(f"{wide}.bias")),
            narrow=self.linear_of(
                self.wide(f"{narrow}.weight") * gamma[:, None], self.wide(f"{narrow}.bias") * gamma
            ),
        )

    def stage(self, prefix: str, rate: int) -> Stage:
        return Stage(
            before=self.snake(f"{prefix}0"),
            up=self.conv_of(*self.transposed(f"{prefix}1.conv", rate)),
            rate=rate,
            units=tuple(
                self.unit(f"{prefix}{number}.", dilation)
                for number, dilation in ((2, 1), (3, 3), (4, 9))
            ),
        )

    def unit(self, prefix: str, dilation: int) -> Unit:
        mix = self.wide(f"{prefix}conv2.conv.weight").squeeze(2)
        return Unit(
            before=self.snake(f"{prefix}act1"),
            conv=self.conv(f"{prefix}conv1.conv", dilation),
            between=self.snake(f"{prefix}act2"),
            mix=self.linear_of(mix, self.wide(f"{prefix}conv2.conv.bias")),
        )

    def codebooks(self, books: int) -> Tensor:
        """Codes to what their sum is: float32 [books * entries, code width], output projections included."""
        tables = []
        for book in range(books):
            group, number = ("first", 0) if book == 0 else ("rest", book - 1)
            quantizer = f"decoder.quantizer.rvq_{group}."
            codebook = f"{quantizer}vq.layers.{number}._codebook."
            usage = self.wide(f"{codebook}cluster_usage").clamp(min=1e-5)
            entries = self.wide(f"{codebook}embedding_sum") / usage[:, None]
            tables.append(entries @ self.wide(f"{quantizer}output_proj.weight").squeeze(2).t())
        return torch.cat(tables)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each channel on its own: x [B, taps - 1 + T, C], weight float32 [C, taps] -> float32 [B, T, C]."""
    return (x.unfold(1, weight.shape[1], 1) * weight).sum(-1) + bias
