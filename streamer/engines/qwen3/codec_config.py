"""The constants of the codec and of the speaker encoder. Defaults are the published checkpoints'; after each
field, its key in `speech_tokenizer/config.json` or (speaker) in `config.json`. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

SAMPLE_RATE = 24_000
FRAME_SAMPLES = 1920
"""Samples of one frame of codes: 80 ms."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """`decoder_config`: codes to sound. Keys and values have as many heads as queries, and no biases."""

    books: int = 16  # num_quantizers
    entries: int = 2048  # codebook_size
    code_width: int = 512  # codebook_dim; an entry of a codebook has half
    latent: int = 1024  # latent_dim
    width: int = 512  # hidden_size
    inner: int = 1024  # intermediate_size
    layers: int = 8  # num_hidden_layers
    heads: int = 16  # num_attention_heads, num_key_value_heads
    head_dim: int = 64  # head_dim
    window: int = 72  # sliding_window: frames that a frame sees, itself among them
    rope_theta: float = 10_000.0  # rope_theta
    eps: float = 1e-5  # rms_norm_eps
    ratios: tuple[int, ...] = (2, 2)  # upsampling_ratios
    channels: int = 1536  # decoder_dim; halved by each stage
    rates: tuple[int, ...] = (8, 5, 4, 3)  # upsample_rates

    @property
    def frame_samples(self) -> int:
        return prod(self.ratios) * prod(self.rates)


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """`encoder_config`: sound to codes, the encoder of Mimi."""

    filters: int = 64  # num_filters; doubled by each stage
    width: int = 512  # hidden_size
    rates: tuple[int, ...] = (
        8,
        6,
        5,
        4,
    )  # upsampling_ratios: of a decoder, so the last comes first
    kernel: int = 7  # kernel_size
    last_kernel: int = 3  # last_kernel_size
    residual_kernel: int = 3  # residual_kernel_size
    compress: int = 2  # compress
    layers: int = 8  # num_hidden_layers
    heads: int = 8  # num_attention_heads, num_key_value_heads
    head_dim: int = 64  # head_dim, else hidden_size / num_attention_heads
    inner: int = 2048  # intermediate_size
    rope_theta: float = 10_000.0  # rope_theta
    eps: float = 1e-5  # norm_eps
    code_width: int = 256  # codebook_dim, vector_quantization_hidden_dimension
    entries: int = 2048  # codebook_size
    books: int = 16  # encoder_valid_num_quantizers, of the file's 32 (num_quantizers)


@dataclass(frozen=True, slots=True)
class CodecConfig:
    decoder: DecoderConfig
    encoder: EncoderConfig


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """`speaker_encoder_config`: ECAPA-TDNN over a mel spectrogram."""

    width: int = 1024  # enc_dim: the talker's width
    mels: int = 128  # mel_dim
    channels: tuple[int, ...] = (512, 512, 512, 512, 1536)  # enc_channels
    kernels: tuple[int, ...] = (5, 3, 3, 3, 1)  # enc_kernel_sizes
    dilations: tuple[int, ...] = (1, 2, 3, 4, 1)  # enc_dilations
    attention: int = 128  # enc_attention_channels
    scale: int = 8  # enc_res2net_scale
    squeeze: int = 128  # enc_se_channels
