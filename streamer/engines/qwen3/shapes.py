"""Names and shapes of the tensors of a model, as in the published files. No torch here.

The loader checks against them, random checkpoints are drawn from them.
"""

from __future__ import annotations

from streamer.engines.qwen3.codec_shapes import Shapes, speaker_shapes
from streamer.engines.qwen3.config import ModelConfig, StackConfig


def model_shapes(config: ModelConfig) -> Shapes:
    """model.safetensors."""
    talker, predictor = config.talker, config.predictor
    hidden, mtp = talker.stack.hidden, predictor.stack.hidden
    text, name = talker.text_hidden, "talker.code_predictor."
    shapes: Shapes = {
        "talker.model.codec_embedding.weight": (talker.vocab, hidden),
        "talker.model.text_embedding.weight": (talker.text_vocab, text),
        "talker.text_projection.linear_fc1.weight": (text, text),
        "talker.text_projection.linear_fc1.bias": (text,),
        "talker.text_projection.linear_fc2.weight": (hidden, text),
        "talker.text_projection.linear_fc2.bias": (hidden,),
        "talker.codec_head.weight": (talker.vocab, hidden),
        **_stack(talker.stack, "talker.model."),
        **_stack(predictor.stack, f"{name}model."),
    }
    for index in range(talker.groups - 1):
        shapes[f"{name}model.codec_embedding.{index}.weight"] = (predictor.codes, hidden)
        shapes[f"{name}lm_head.{index}.weight"] = (predictor.codes, mtp)
    if config.projects:
        shapes[f"{name}small_to_mtp_projection.weight"] = (mtp, hidden)
        shapes[f"{name}small_to_mtp_projection.bias"] = (mtp,)
    if config.speaker:
        shapes |= speaker_shapes(config.speaker)
    return shapes


def _stack(stack: StackConfig, prefix: str) -> Shapes:
    hidden, inner = stack.hidden, stack.intermediate
    queries, keys = stack.heads * stack.head_dim, stack.kv_heads * stack.head_dim
    shapes: Shapes = {f"{prefix}norm.weight": (hidden,)}
    for index in range(stack.layers):
        layer = f"{prefix}layers.{index}."
        attention = f"{layer}self_attn."
        for name, out, into in (
            ("q", queries, hidden),
            ("k", keys, hidden),
            ("v", keys, hidden),
            ("o", hidden, queries),
        ):
            shapes[f"{attention}{name}_proj.weight"] = (out, into)
            if stack.bias:
                shapes[f"{attention}{name}_proj.bias"] = (out,)
        shapes |= {
            f"{attention}q_norm.weight": (stack.head_dim,),
            f"{attention}k_norm.weight": (stack.head_dim,),
            f"{layer}input_layernorm.weight": (hidden,),
            f"{layer}post_attention_layernorm.weight": (hidden,),
            f"{layer}mlp.gate_proj.weight": (inner, hidden),
            f"{layer}mlp.up_proj.weight": (inner, hidden),
            f"{layer}mlp.down_proj.weight": (hidden, inner),
        }
    return shapes
