"""Names and shapes of the tensors that the codec and the speaker encoder read, as in the files. The files
have more (quantizers beyond the used ones, projections of training), which nobody reads."""

from __future__ import annotations

from streamer.engines.qwen3.codec_config import (
    CodecConfig,
    DecoderConfig,
    EncoderConfig,
    SpeakerConfig,
)

Shapes = dict[str, tuple[int, ...]]


def codec_shapes(config: CodecConfig) -> Shapes:
    """All of `speech_tokenizer/model.safetensors` that is read."""
    return decoder_shapes(config.decoder) | encoder_shapes(config.encoder)


def decoder_shapes(config: DecoderConfig) -> Shapes:
    shapes: Shapes = {}
    half, latent, width = config.code_width // 2, config.latent, config.width
    for group, books in (("first", 1), ("rest", config.books - 1)):
        quantizer = f"decoder.quantizer.rvq_{group}."
        shapes[f"{quantizer}output_proj.weight"] = (config.code_width, half, 1)
        for book in range(books):
            shapes[f"{quantizer}vq.layers.{book}._codebook.embedding_sum"] = (config.entries, half)
            shapes[f"{quantizer}vq.layers.{book}._codebook.cluster_usage"] = (config.entries,)
    shapes |= _conv("decoder.pre_conv.conv", latent, config.code_width, 3)
    shapes |= _linear("decoder.pre_transformer.input_proj", width, latent)
    for index in range(config.layers):
        layer = f"decoder.pre_transformer.layers.{index}."
        heads = config.heads * config.head_dim
        for name in "qkv":
            shapes[f"{layer}self_attn.{name}_proj.weight"] = (heads, width)
        shapes[f"{layer}self_attn.o_proj.weight"] = (width, heads)
        shapes[f"{layer}mlp.gate_proj.weight"] = (config.inner, width)
        shapes[f"{layer}mlp.up_proj.weight"] = (config.inner, width)
        shapes[f"{layer}mlp.down_proj.weight"] = (width, config.inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}{name}.weight"] = (width,)
        for name in ("self_attn_layer_scale", "mlp_layer_scale"):
            shapes[f"{layer}{name}.scale"] = (width,)
    shapes["decoder.pre_transformer.norm.weight"] = (width,)
    shapes |= _linear("decoder.pre_transformer.output_proj", latent, width)
    for index, ratio in enumerate(config.ratios):
        block = f"decoder.upsample.{index}."
        shapes |= _transposed(f"{block}0.conv", latent, latent, ratio)
        shapes |= _conv(f"{block}1.dwconv.conv", latent, 1, 7)
        shapes |= {f"{block}1.norm.weight": (latent,), f"{block}1.norm.bias": (latent,)}
        shapes |= _linear(f"{block}1.pwconv1", 4 * latent, latent)
        shapes |= _linear(f"{block}1.pwconv2", latent, 4 * latent)
        shapes[f"{block}1.gamma"] = (latent,)
    shapes |= _conv("decoder.decoder.0.conv", config.channels, latent, 7)
    channels = config.channels
    for index, rate in enumerate(config.rates, 1):
        block, half = f"decoder.decoder.{index}.block.", channels // 2
        shapes |= _snake(f"{block}0", channels)
        shapes |= _transposed(f"{block}1.conv", channels, half, 2 * rate)
        for unit in range(2, 5):
            shapes |= _snake(f"{block}{unit}.act1", half) | _snake(f"{block}{unit}.act2", half)
            shapes |= _conv(f"{block}{unit}.conv1.conv", half, half, 7)
            shapes |= _conv(f"{block}{unit}.conv2.conv", half, half, 1)
        channels = half
    last = len(config.rates) + 1
    shapes |= _snake(f"decoder.decoder.{last}", channels)
    return shapes | _conv(f"decoder.decoder.{last + 1}.conv", 1, channels, 7)


def encoder_shapes(config: EncoderConfig) -> Shapes:
    width, channels, index = config.width, config.filters, 1
    shapes = _conv("encoder.encoder.layers.0.conv", channels, 1, config.kernel)
    for rate in reversed(config.rates):
        block, inner = f"encoder.encoder.layers.{index}.block.", channels // config.compress
        shapes |= _conv(f"{block}1.conv", inner, channels, config.residual_kernel)
        shapes |= _conv(f"{block}3.conv", channels, inner, 1)
        shapes |= _conv(
            f"encoder.encoder.layers.{index + 2}.conv", 2 * channels, channels, 2 * rate
        )
        channels, index = 2 * channels, index + 3
    shapes |= _conv(f"encoder.encoder.layers.{index + 1}.conv", width, channels, config.last_kernel)
    for number in range(config.layers):
        layer = f"encoder.encoder_transformer.layers.{number}."
        heads = config.heads * config.head_dim
        for name in "qkv":
            shapes[f"{layer}self_attn.{name}_proj.weight"] = (heads, width)
        shapes[f"{layer}self_attn.o_proj.weight"] = (width, heads)
        shapes[f"{layer}mlp.fc1.weight"] = (config.inner, width)
        shapes[f"{layer}mlp.fc2.weight"] = (width, config.inner)
        for name in ("input_layernorm", "post_attention_layernorm"):
            shapes |= {f"{layer}{name}.weight": (width,), f"{layer}{name}.bias": (width,)}
        for name in ("self_attn_layer_scale", "mlp_layer_scale"):
            shapes[f"{layer}{name}.scale"] = (width,)
    shapes["encoder.downsample.conv.weight"] = (width, width, 4)
    for group, books in (("semantic", 1), ("acoustic", config.books - 1)):
        quantizer = f"encoder.quantizer.{group}_residual_vector_quantizer."
        shapes[f"{quantizer}input_proj.weight"] = (config.code_width, width, 1)
        for book in range(books):
            codebook = f"{quantizer}layers.{book}.codebook."
            shapes[f"{codebook}embed_sum"] = (config.entries, config.code_width)
            shapes[f"{codebook}cluster_usage"] = (config.entries,)
    return shapes


def speaker_shapes(config: SpeakerConfig) -> Shapes:
    """The part of a Base checkpoint's `model.safetensors` under `speaker_encoder.`."""
    channels, last = config.channels, config.channels[-1]
    shapes = _conv("speaker_encoder.blocks.0.conv", channels[0], config.mels, config.kernels[0])
    for index in range(1, len(channels) - 1):
        block, own = f"speaker_encoder.blocks.{index}.", channels[index]
        part = own // config.scale
        shapes |= _conv(f"{block}tdnn1.conv", own, channels[index - 1], 1)
        for unit in range(config.scale - 1):
            kernel = config.kernels[index]
            shapes |= _conv(f"{block}res2net_block.blocks.{unit}.conv", part, part, kernel)
        shapes |= _conv(f"{block}tdnn2.conv", own, own, 1)
        shapes |= _conv(f"{block}se_block.conv1", config.squeeze, own, 1)
        shapes |= _conv(f"{block}se_block.conv2", own, config.squeeze, 1)
    shapes |= _conv("speaker_encoder.mfa.conv", last, sum(channels[1:-1]), config.kernels[-1])
    shapes |= _conv("speaker_encoder.asp.tdnn.conv", config.attention, 3 * last, 1)
    shapes |= _conv("speaker_encoder.asp.conv", last, config.attention, 1)
    return shapes | _conv("speaker_encoder.fc", config.width, 2 * last, 1)


def _linear(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _conv(name: str, out: int, into: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (out, into, kernel), f"{name}.bias": (out,)}


def _transposed(name: str, into: int, out: int, kernel: int) -> Shapes:
    return {f"{name}.weight": (into, out, kernel), f"{name}.bias": (out,)}


def _snake(name: str, channels: int) -> Shapes:
    return {f"{name}.alpha": (channels,), f"{name}.beta": (channels,)}
