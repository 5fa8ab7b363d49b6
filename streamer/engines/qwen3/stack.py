"""A stack of Qwen3 decoder layers, as the talker and the predictor are: weights, and two ways through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.config import StackConfig
from streamer.engines.qwen3.ops import Ops


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's weights, those that meet the same input in one matrix."""

    norm: Tensor
    qkv: Tensor
    qkv_bias: Tensor | None
    q_norm: Tensor
    k_norm: Tensor
    out: Tensor
    out_bias: Tensor | None
    mlp_norm: Tensor
    gate_up: Tensor
    down: Tensor


class Stack:
    """Layers and the final norm. Holds weights and rotary tables, no state.

    Caches are [layers, slots + 1, kv heads, capacity, d].
    """

    def __init__(
        self,
        config: StackConfig,
        tensors: Mapping[str, Tensor],
        prefix: str,
        ops: Ops,
        positions: int,
    ) -> None:
        """`prefix` as in the file, ending in a dot. `positions`: how many the rotary tables know."""
        self.config = config
        self._ops = ops
        self.layers = [
            _layer(config, tensors, f"{prefix}layers.{index}.") for index in range(config.layers)
        ]
        self.norm = tensors[f"{prefix}norm.weight"]
        self.cos, self.sin = rotary_tables(config, positions, self.norm.device)

    def step(
        self, x: Tensor, k: Tensor, v: Tensor, slots: Tensor, positions: Tensor, longest: int
    ) -> Tensor:
        """Rows x [B, H], each at its place in the caches, which are written -> [B, H] after the norm."""
        return self._normed(*self.pass_on(x, k, v, slots, positions, longest))

    def pass_on(
        self, x: Tensor, k: Tensor, v: Tensor, slots: Tensor, positions: Tensor, longest: int
    ) -> tuple[Tensor, Tensor | None]:
        """`step` up to the norm: two whose sum is to be normed."""
        ops = self._ops
        residual: Tensor | None = None
        for index, layer in enumerate(self.layers):
            q, residual = self._stored(layer, x, residual, k[index], v[index], slots, positions)
            seen = ops.attend(q, k[index], v[index], slots, positions, longest)
            x, residual = self._after(layer, seen, residual)
        return x, residual

    def prefill(self, x: Tensor, k: Tensor, v: Tensor, slot: int, start: int) -> Tensor:
        """Rows x [P, H] of one slot at positions from `start`, each seeing those before it -> [P, H]."""
        group = self.config.heads // self.config.kv_heads
        rows, end = x.shape[0], start + x.shape[0]
        places = torch.arange(start, end, device=x.device)
        slots = torch.full_like(places, slot)
        seen = torch.arange(end, device=x.device) <= places[:, None]
        residual: Tensor | None = None
        for index, layer in enumerate(self.layers):
            q, residual = self._stored(layer, x, residual, k[index], v[index], slots, places)
            mixed = functional.scaled_dot_product_attention(
                q.transpose(0, 1),
                k[index, slot, :, :end].repeat_interleave(group, 0),
                v[index, slot, :, :end].repeat_interleave(group, 0),
                attn_mask=seen,
            )
            mixed = mixed.transpose(0, 1).reshape(rows, -1)
            x, residual = self._after(layer, mixed, residual)
        return self._normed(x, residual)

    def _stored(
        self,
        layer: Layer,
        x: Tensor,
        residual: Tensor | None,
        k: Tensor,
        v: Tensor,
        slots: Tensor,
        positions: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The half of a layer before attention: queries, and the sum so far."""
        ops, eps = self._ops, self.config.eps
        qkv, residual = ops.normed_linear(x, residual, layer.norm, eps, layer.qkv, layer.qkv_bias)
        q = ops.rotate_and_store(
            qkv, layer.q_norm, layer.k_norm, eps, self.cos, self.sin, k, v, slots, positions
        )
        return q, residual

    def _after(self, layer: Layer, seen: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The half that follows it: what is to be added, and the sum before that."""
        ops = self._ops
        x = ops.linear(seen, layer.out, layer.out_bias)
        gate_up, residual = ops.normed_linear(
            x, residual, layer.mlp_norm, self.config.eps, layer.gate_up
        )
        return ops.swiglu_linear(gate_up, layer.down), residual

    def _normed(self, x: Tensor, residual: Tensor | None) -> Tensor:
        ops, eps = self._ops, self.config.eps
        if residual is None:
            return ops.rms_norm(x, self.norm, eps)
        return ops.add_rms_norm(x, residual, self.norm, eps)[0]


def rotary_tables(
    config: StackConfig, positions: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Cosines and sines, float32 [positions, d / 2]. The three rows of the talker's M-RoPE are always
    equal in speech, which makes it this."""
    d = config.head_dim
    slow = 1.0 / config.rope_theta ** (torch.arange(0, d, 2, dtype=torch.float32) / d)
    angles = torch.arange(positions, dtype=torch.float32)[:, None] * slow
    return angles.cos().to(device), angles.sin().to(device)


def _layer(config: StackConfig, tensors: Mapping[str, Tensor], prefix: str) -> Layer:
    def merged(*names: str) -> Tensor:
        return torch.cat([tensors[prefix + name] for name in names])

    attention = [f"self_attn.{name}_proj" for name in "qkv"]
    bias = config.bias
    return Layer(
        norm=tensors[f"{prefix}input_layernorm.weight"],
        qkv=merged(*(f"{name}.weight" for name in attention)),
        qkv_bias=merged(*(f"{name}.bias" for name in attention)) if bias else None,
        q_norm=tensors[f"{prefix}self_attn.q_norm.weight"],
        k_norm=tensors[f"{prefix}self_attn.k_norm.weight"],
        out=tensors[f"{prefix}self_attn.o_proj.weight"],
        out_bias=tensors[f"{prefix}self_attn.o_proj.bias"] if bias else None,
        mlp_norm=tensors[f"{prefix}post_attention_layernorm.weight"],
        gate_up=merged("mlp.gate_proj.weight", "mlp.up_proj.weight"),
        down=tensors[f"{prefix}mlp.down_proj.weight"],
    )
