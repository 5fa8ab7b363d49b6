"""The JSON files of checkpoints of noise: the published sizes, and tiny ones like them. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamer.engines.qwen3.codec_fields import TOKENIZER
from streamer.engines.qwen3.config import CONTROL, Kind
from streamer.engines.qwen3.random_text import SMALLEST

_LANGUAGES = {
    "chinese": 7,
    "english": 2,
    "german": 5,
    "italian": 22,
    "portuguese": 23,
    "spanish": 6,
    "japanese": 10,
    "korean": 16,
    "french": 13,
    "russian": 21,
    "beijing_dialect": 26,
    "sichuan_dialect": 14,
}
_SPEAKERS = {
    "serena": 1018,
    "vivian": 1017,
    "uncle_fu": 962,
    "ryan": 1013,
    "aiden": 813,
    "ono_anna": 825,
    "sohee": 816,
    "eric": 827,
    "dylan": 830,
}
_DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
_CONTROL = {
    "codec_pad_id": 100,
    "codec_bos_id": 101,
    "codec_eos_token_id": 102,
    "codec_think_id": 106,
    "codec_nothink_id": 107,
    "codec_think_bos_id": 108,
    "codec_think_eos_id": 109,
}
"""As in the published files, counted from the last code on."""


@dataclass(frozen=True, slots=True)
class Size:
    """Widths of a checkpoint. `first_special`: id of the first control token of text. The codec is the
    published one, or (`small_codec`) one of a hundredth of it."""

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    text_hidden: int
    text_vocab: int
    first_special: int
    predictor_hidden: int
    predictor_intermediate: int
    predictor_layers: int
    codes: int
    small_codec: bool = False
    rope_theta: float = 1_000_000
    bias: bool = False


def _published(name: str, hidden: int, intermediate: int) -> Size:
    return Size(
        name, hidden, intermediate, 28, 16, 8, 128, 2048, 151936, 151643, 1024, 3072, 5, 2048
    )


def _tiny(name: str, hidden: int) -> Size:
    return Size(name, hidden, 128, 2, 4, 2, 16, 32, 512, SMALLEST, 64, 96, 2, 256, True)


SIZES = {
    "0.6B": _published("0b6", 1024, 3072),
    "1.7B": _published("1b7", 2048, 6144),
    "tiny": _tiny("0b6", 64),
    "tiny17": _tiny("1b7", 96),
}
"""The published sizes, and one like each of them."""


def raw_model(kind: Kind, size: Size) -> dict[str, Any]:
    """config.json."""
    speakers = _SPEAKERS if kind == "custom_voice" else {}
    stack = {
        "attention_bias": size.bias,
        "attention_dropout": 0,
        "head_dim": size.head_dim,
        "hidden_act": "silu",
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "num_code_groups": 16,
        "rms_norm_eps": 1e-6,
        "rope_theta": size.rope_theta,
    }
    third = size.head_dim // 8
    talker = stack | {
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "max_position_embeddings": 32768,
        "position_id_per_seconds": 13,
        "rope_scaling": {
            "interleaved": True,
            "mrope_section": [size.head_dim // 2 - 2 * third, third, third],
            "rope_type": "default",
            "type": "default",
        },
        "sliding_window": None,
        "use_sliding_window": False,
        "use_cache": True,
        "text_hidden_size": size.text_hidden,
        "text_vocab_size": size.text_vocab,
        "vocab_size": size.codes + CONTROL,
        "codec_language_id": _after(size, _LANGUAGES),
        "spk_id": _after(size, speakers),
        "spk_is_dialect": {name: _DIALECTS.get(name, False) for name in speakers},
        **_after(size, _CONTROL),
        "code_predictor_config": stack
        | {
            "hidden_size": size.predictor_hidden,
            "intermediate_size": size.predictor_intermediate,
            "num_hidden_layers": size.predictor_layers,
            "max_position_embeddings": 65536,
            "vocab_size": size.codes,
        },
    }
    config = {
        "architectures": ["Qwen3TTSForConditionalGeneration"],
        "model_type": "qwen3_tts",
        "transformers_version": "4.57.3",
        "tts_model_type": kind,
        "tts_model_size": size.name,
        "tokenizer_type": TOKENIZER,
        "assistant_token_id": 77091,
        "im_start_token_id": size.first_special + 1,
        "im_end_token_id": size.first_special + 2,
        "tts_pad_token_id": size.first_special + 28,
        "tts_bos_token_id": size.first_special + 29,
        "tts_eos_token_id": size.first_special + 30,
        "talker_config": talker,
    }
    if kind == "base":
        config["speaker_encoder_config"] = {"enc_dim": size.hidden, "sample_rate": 24000} | (
            {
                "enc_channels": [32, 32, 32, 32, 96],
                "enc_attention_channels": 16,
                "enc_se_channels": 16,
            }
            if size.small_codec
            else {}
        )
    return config


def _after(size: Size, ids: dict[str, int]) -> dict[str, int]:
    return {name: size.codes + index for name, index in ids.items()}


def raw_codec(size: Size) -> dict[str, Any]:
    """speech_tokenizer/config.json."""
    small = size.small_codec
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"],
        "model_type": TOKENIZER,
        "transformers_version": "4.57.3",
        "decode_upsample_rate": 1920,
        "encode_downsample_rate": 1920,
        "encoder_valid_num_quantizers": 16,
        "input_sample_rate": 24000,
        "output_sample_rate": 24000,
        "decoder_config": {
            "attention_bias": False,
            "codebook_dim": 32 if small else 512,
            "codebook_size": size.codes,
            "decoder_dim": 64 if small else 1536,
            "head_dim": 8 if small else 64,
            "hidden_act": "silu",
            "hidden_size": 32 if small else 512,
            "intermediate_size": 64 if small else 1024,
            "latent_dim": 48 if small else 1024,
            "layer_scale_initial_scale": 0.01,
            "max_position_embeddings": 8000,
            "num_attention_heads": 4 if small else 16,
            "num_hidden_layers": 3 if small else 8,
            "num_key_value_heads": 4 if small else 16,
            "num_quantizers": 16,
            "num_semantic_quantizers": 1,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000,
            "sliding_window": 8 if small else 72,
            "upsample_rates": [8, 5, 4, 3],
            "upsampling_ratios": [2, 2],
        },
        "encoder_config": {
            "_frame_rate": 12.5,
            "codebook_dim": 16 if small else 256,
            "codebook_size": size.codes,
            "head_dim": 8 if small else 64,
            "hidden_size": 32 if small else 512,
            "intermediate_size": 64 if small else 2048,
            "num_attention_heads": 4 if small else 8,
            "num_filters": 4 if small else 64,
            "num_hidden_layers": 2 if small else 8,
            "num_key_value_heads": 4 if small else 8,
            "num_quantizers": 32,
            "sampling_rate": 24000,
            "sliding_window": 250,
            "upsample_groups": 32 if small else 512,
            "upsampling_ratios": [8, 6, 5, 4],
            "use_causal_conv": True,
            "vector_quantization_hidden_dimension": 16 if small else 256,
        },
    }


def raw_sampling() -> dict[str, Any]:
    """generation_config.json, as published."""
    return {
        "do_sample": True,
        "max_new_tokens": 8192,
        "repetition_penalty": 1.05,
        "temperature": 0.9,
        "top_k": 50,
        "top_p": 1.0,
        "subtalker_dosample": True,
        "subtalker_temperature": 0.9,
        "subtalker_top_k": 50,
        "subtalker_top_p": 1.0,
    }
