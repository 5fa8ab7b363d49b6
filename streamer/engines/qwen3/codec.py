"""The codec's decoder: codes to sound, a few frames of many streams at a time, exactly as if each stream had
been decoded whole. Every layer looks back only, so what it needs of the past is kept, never recomputed.

Architecture: `Qwen3TTSTokenizerV2Decoder` of the package qwen-tts 0.1.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.codec_config import DecoderConfig
from streamer.engines.qwen3.codec_layers import Block, Linear, Stage, Weights, depthwise
from streamer.engines.qwen3.codec_ops import Window
from streamer.engines.qwen3.codec_state import FRAMES_PER_PASS, CodecState
from streamer.engines.qwen3.ops import Ops

_LAYER_NORM_EPS = 1e-6


class Codec:
    """Weights only; what a stream leaves behind is in a `CodecState`."""

    def __init__(
        self,
        config: DecoderConfig,
        tensors: Mapping[str, Tensor],
        ops: Ops,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """`tensors`: those of `codec_shapes.decoder_shapes`, best in float32, since neighbours that no
        activation parts are multiplied into one before they are rounded to `dtype`."""
        self.config, self._ops, self.device, self.dtype = config, ops, device, dtype
        make = Weights(tensors, device, dtype)
        self._tables = make.codebooks(config.books)
        self._offsets = torch.arange(config.books, device=device)[:, None] * config.entries
        into, bias = (
            make.wide(f"decoder.pre_transformer.input_proj.{name}") for name in ("weight", "bias")
        )
        conv = make.wide("decoder.pre_conv.conv.weight")
        self._code = make.conv_of(
            torch.einsum("wl,lck->wck", into, conv),
            into @ make.wide("decoder.pre_conv.conv.bias") + bias,
        )
        self._layers = [
            make.layer(f"decoder.pre_transformer.layers.{index}.") for index in range(config.layers)
        ]
        self._norm = make.kept(make.wide("decoder.pre_transformer.norm.weight"))
        self._ups = [
            self._upsampling(make, index, ratio) for index, ratio in enumerate(config.ratios)
        ]
        self._first = make.conv("decoder.decoder.0.conv")
        self._stages = [
            make.stage(f"decoder.decoder.{number}.block.", rate)
            for number, rate in enumerate(config.rates, 1)
        ]
        last = len(config.rates) + 1
        self._snake = make.snake(f"decoder.decoder.{last}")
        self._last = make.wide(f"decoder.decoder.{last + 1}.conv.weight")[0].t().contiguous()
        self._last_bias = make.wide(f"decoder.decoder.{last + 1}.conv.bias")
        d = config.head_dim
        even = torch.arange(0, d, 2, device=device, dtype=torch.float32)
        self._slow = 1.0 / config.rope_theta ** (even / d)

    def state(self, slots: int) -> CodecState:
        """Room for so many streams, all at their beginnings."""
        return CodecState(self.config, slots, self.device, self.dtype)

    @torch.inference_mode()
    def decode(self, codes: Tensor, state: CodecState, slots: Tensor) -> Tensor:
        """The next frames of the streams in `slots` (int64 [B]): codes int64 [B, books, T] -> sound, float32
        [B, T * 1920] within -1..1.

        Codes that are none (an end of speech) are taken for the nearest: a row of padding must not
        fault the device. Each row advances its slot by T frames. Nothing waits for the device: for
        given B and T the call can be captured in a graph.
        """
        sound = [
            self._sound(
                self._frames(codes[:, :, start : start + FRAMES_PER_PASS], state, slots),
                state,
                slots,
            )
            for start in range(0, codes.shape[2], FRAMES_PER_PASS)
        ]
        return sound[0] if len(sound) == 1 else torch.cat(sound, 1)

    @torch.inference_mode()
    def prime(self, codes: Tensor, state: CodecState, slots: Tensor) -> None:
        """As `decode`, for a past that nobody hears, which begins the streams. Only the transformer needs
        all of it: what follows it looks back less than `FRAMES_PER_PASS` frames."""
        frames = codes.shape[2]
        begin = frames - min(frames, FRAMES_PER_PASS)
        for start in range(0, begin, FRAMES_PER_PASS):
            part = codes[:, :, start : min(start + FRAMES_PER_PASS, begin)]
            self._frames(part, state, slots)
        self._sound(self._frames(codes[:, :, begin:], state, slots), state, slots)

    def _frames(self, codes: Tensor, state: CodecState, slots: Tensor) -> Tensor:
        """Through the transformer: [B, books, T] -> [B, T, width]."""
        config, ops = self.config, self._ops
        b, _, t = codes.shape
        rows = codes.clamp(0, config.entries - 1) + self._offsets
        x = self._tables.index_select(0, rows.flatten()).view(b, -1, t, config.code_width).sum(1)
        x = self._code(ops.carry(x.to(self.dtype), state.code, slots))
        positions = state.positions.index_select(0, slots)
        window = Window(positions, t, state.ring, config.window, self._slow, self.dtype)
        residual = x.reshape(b * t, config.width)
        x = ops.rms_norm(residual, self._layers[0].norm, config.eps)
        norms = [layer.norm for layer in self._layers[1:]] + [self._norm]
        for layer, ring, norm in zip(self._layers, state.rings, norms, strict=True):
            qkv = ops.linear(x, layer.qkv).view(b, t, -1)
            seen = ops.attend_window(qkv, ring, slots, window).view(b * t, -1)
            x = ops.linear(seen, layer.out)
            x, residual = ops.add_rms_norm(x, residual, layer.mlp_norm, config.eps)
            x = ops.linear(ops.swiglu(ops.linear(x, layer.gate_up)), layer.down)
            x, residual = ops.add_rms_norm(x, residual, norm, config.eps)
        state.positions.index_copy_(0, slots, positions + t)
        return x.view(b, t, -1)

    def _sound(self, x: Tensor, state: CodecState, slots: Tensor) -> Tensor:
        """Through the convolutions: [B, T, width] -> [B, T * 1920]."""
        ops = self._ops
        for (up, block), past in zip(self._ups, state.blocks, strict=True):
            x = self._linear(x, up).view(x.shape[0], -1, self.config.latent)
            x = self._block(x, block, past, slots)
        x = self._first(ops.carry(x, state.first, slots))
        for stage, past, pasts in zip(self._stages, state.stages, state.units, strict=True):
            x = self._stage(x, stage, past, pasts, slots)
        x = ops.carry(x, state.last, slots, self._snake.alpha, self._snake.beta)
        return ops.to_sound(x, self._last, self._last_bias)

    def _linear(self, x: Tensor, linear: Linear) -> Tensor:
        b, t, width = x.shape
        return self._ops.linear(x.reshape(b * t, width), linear.weight, linear.bias).view(b, t, -1)

    def _block(self, x: Tensor, block: Block, past: Tensor, slots: Tensor) -> Tensor:
        y = depthwise(self._ops.carry(x, past, slots), block.depthwise, block.bias)
        y = functional.layer_norm(y, y.shape[2:], block.norm, block.norm_bias, _LAYER_NORM_EPS)
        y = functional.gelu(self._linear(y.to(x.dtype), block.wide))
        return x + self._linear(y, block.narrow)

    def _stage(
        self, x: Tensor, stage: Stage, past: Tensor, pasts: list[Tensor], slots: Tensor
    ) -> Tensor:
        ops, before = self._ops, stage.before
        x = stage.up(ops.carry(x, past, slots, before.alpha, before.beta))
        x = x.reshape(x.shape[0], x.shape[1] * stage.rate, -1)
        for unit, before_unit in zip(stage.units, pasts, strict=True):
            y = ops.carry(x, before_unit, slots, unit.before.alpha, unit.before.beta)
            y = ops.snake(unit.conv(y), unit.between.alpha, unit.between.beta)
            x = x + self._linear(y, unit.mix)
        return x

    @staticmethod
    def _upsampling(make: Weights, index: int, ratio: int) -> tuple[Linear, Block]:
        """The first takes in the projection behind the transformer, with nothing between them."""
        prefix = f"decoder.upsample.{index}."
        weight, bias = make.transposed(f"{prefix}0.conv", ratio)
        weight = weight.squeeze(2)
        if index == 0:
            out = "decoder.pre_transformer.output_proj."
            bias = weight @ make.wide(f"{out}bias") + bias
            weight = weight @ make.wide(f"{out}weight")
        return make.linear_of(weight, bias), make.block(f"{prefix}1.")
