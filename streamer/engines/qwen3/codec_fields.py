"""What a checkpoint's JSON files say of the codec and of the speaker encoder, checked. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.engines.qwen3.codec_config import (
    FRAME_SAMPLES,
    SAMPLE_RATE,
    CodecConfig,
    DecoderConfig,
    EncoderConfig,
    SpeakerConfig,
)
from streamer.engines.qwen3.fields import Fields

TOKENIZER = "qwen3_tts_tokenizer_12hz"
CODEC_FILE = "speech_tokenizer/config.json"


def read_codec(raw: Mapping[str, Any]) -> CodecConfig:
    """The content of speech_tokenizer/config.json. Raises `CheckpointInvalid`."""
    top = Fields(CODEC_FILE, raw)
    top.choice("model_type", (TOKENIZER,))
    top.fixed({"output_sample_rate": SAMPLE_RATE, "input_sample_rate": SAMPLE_RATE})
    decoder = _decoder(top.fields("decoder_config"))
    if decoder.frame_samples != FRAME_SAMPLES:
        raise top.wrong("decoder_config", f"one of {FRAME_SAMPLES} samples a frame")
    books = top.integer("encoder_valid_num_quantizers", 16)
    return CodecConfig(decoder, _encoder(top.fields("encoder_config"), books))


def _decoder(fields: Fields) -> DecoderConfig:
    width = fields.integer("hidden_size", 1024)
    heads = fields.integer("num_attention_heads", 16)
    fields.fixed({"num_key_value_heads": heads, "attention_bias": False, "hidden_act": "silu"})
    return DecoderConfig(
        books=fields.integer("num_quantizers", 16),
        entries=fields.integer("codebook_size", 2048),
        code_width=fields.integer("codebook_dim"),
        latent=fields.integer("latent_dim", 1024),
        width=width,
        inner=fields.integer("intermediate_size", 3072),
        layers=fields.integer("num_hidden_layers", 8),
        heads=heads,
        head_dim=fields.integer("head_dim", width // heads),
        window=fields.integer("sliding_window", 72),
        rope_theta=fields.number("rope_theta", 10000.0),
        eps=fields.number("rms_norm_eps", 1e-5),
        ratios=fields.integers("upsampling_ratios", (2, 2)),
        channels=fields.integer("decoder_dim", 1536),
        rates=fields.integers("upsample_rates", (8, 5, 4, 3)),
    )


def _encoder(fields: Fields, books: int) -> EncoderConfig:
    usual = EncoderConfig()
    width = fields.integer("hidden_size", usual.width)
    heads = fields.integer("num_attention_heads", usual.heads)
    code_width = fields.integer("codebook_dim", usual.code_width)
    fields.fixed(
        {
            "num_key_value_heads": heads,
            "vector_quantization_hidden_dimension": code_width,
            "num_semantic_quantizers": 1,
            "num_residual_layers": 1,
            "audio_channels": 1,
            "attention_bias": False,
            "use_conv_shortcut": False,
            "use_causal_conv": True,
            "pad_mode": "constant",
            "hidden_act": "gelu",
        },
    )
    return EncoderConfig(
        filters=fields.integer("num_filters", usual.filters),
        width=width,
        rates=fields.integers("upsampling_ratios", usual.rates),
        kernel=fields.integer("kernel_size", usual.kernel),
        last_kernel=fields.integer("last_kernel_size", usual.last_kernel),
        residual_kernel=fields.integer("residual_kernel_size", usual.residual_kernel),
        compress=fields.integer("compress", usual.compress),
        layers=fields.integer("num_hidden_layers", usual.layers),
        heads=heads,
        head_dim=fields.integer("head_dim", width // heads),
        inner=fields.integer("intermediate_size", usual.inner),
        rope_theta=fields.number("rope_theta", usual.rope_theta),
        eps=fields.number("norm_eps", usual.eps),
        code_width=code_width,
        entries=fields.integer("codebook_size", usual.entries),
        books=books,
    )


def read_speaker(fields: Fields) -> SpeakerConfig:
    """`speaker_encoder_config` of config.json. Raises `CheckpointInvalid`."""
    usual = SpeakerConfig()
    return SpeakerConfig(
        width=fields.integer("enc_dim", usual.width),
        mels=fields.integer("mel_dim", usual.mels),
        channels=fields.integers("enc_channels", usual.channels),
        kernels=fields.integers("enc_kernel_sizes", usual.kernels),
        dilations=fields.integers("enc_dilations", usual.dilations),
        attention=fields.integer("enc_attention_channels", usual.attention),
        scale=fields.integer("enc_res2net_scale", usual.scale),
        squeeze=fields.integer("enc_se_channels", usual.squeeze),
    )
