"""What the reference makes of the codec's and speaker encoder's random weights: writes goldens/codec.npz.

Run in an environment with torch 2.13.0, transformers 4.57.3, librosa 0.11 and qwen-tts 0.1.1 (the last with
`pip install --no-deps`), as `python tests/engines/qwen3/make_codec_goldens.py` from the repository's root.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def _stubbed() -> None:
    """The package imports these for a tokenizer that was never published."""
    for name in (
        "torchaudio",
        "torchaudio.compliance",
        "torchaudio.compliance.kaldi",
        "sox",
        "onnxruntime",
    ):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules[name] = module
    sys.modules["torchaudio"].compliance = sys.modules["torchaudio.compliance"]  # type: ignore[attr-defined]
    sys.modules["torchaudio.compliance"].kaldi = sys.modules["torchaudio.compliance.kaldi"]  # type: ignore[attr-defined]


def _filled(module: Any, tensors: Mapping[str, Any], prefix: str = "") -> None:
    import torch

    own = {name.removeprefix(prefix): torch.from_numpy(value) for name, value in tensors.items()}
    missing = module.load_state_dict(own, strict=False)
    assert not missing.unexpected_keys, missing.unexpected_keys


def main() -> None:
    sys.path.insert(0, str(ROOT))
    _stubbed()
    # Neither file imports torch or anything else of the engine.
    config = importlib.import_module("streamer.engines.qwen3.codec_config")
    shapes = importlib.import_module("streamer.engines.qwen3.codec_shapes")
    weights = importlib.import_module("tests.engines.qwen3.codec_weights")

    import torch

    librosa = importlib.import_module("librosa")
    core = importlib.import_module("qwen_tts.core")
    models = importlib.import_module("qwen_tts.core.models.modeling_qwen3_tts")

    decoder = config.DecoderConfig(**weights.DECODER)
    encoder = config.EncoderConfig(**weights.ENCODER)
    speaker = config.SpeakerConfig(**weights.SPEAKER)
    reference = core.Qwen3TTSTokenizerV2Model(
        core.Qwen3TTSTokenizerV2Config(
            decoder_config={
                "codebook_dim": decoder.code_width,
                "latent_dim": decoder.latent,
                "hidden_size": decoder.width,
                "intermediate_size": decoder.inner,
                "num_hidden_layers": decoder.layers,
                "num_attention_heads": decoder.heads,
                "num_key_value_heads": decoder.heads,
                "head_dim": decoder.head_dim,
                "decoder_dim": decoder.channels,
                "sliding_window": decoder.window,
            },
            encoder_config={
                "num_filters": encoder.filters,
                "hidden_size": encoder.width,
                "num_hidden_layers": encoder.layers,
                "num_attention_heads": encoder.heads,
                "num_key_value_heads": encoder.heads,
                "head_dim": encoder.head_dim,
                "intermediate_size": encoder.inner,
                "codebook_dim": encoder.code_width,
                "vector_quantization_hidden_dimension": encoder.code_width,
                "upsample_groups": encoder.width,
                "frame_rate": 12.5,
                "_frame_rate": 12.5,
            },
        )
    ).eval()
    both = config.CodecConfig(decoder, encoder)
    _filled(reference, weights.drawn(shapes.codec_shapes(both), weights.CODEC_SEED))
    goldens: dict[str, Any] = {}
    with torch.inference_mode():
        codes = torch.from_numpy(weights.codes(2, weights.FRAMES, weights.CODES_SEED))
        sound = reference.decoder(codes).squeeze(1).numpy()
        goldens["begin"] = sound[0, : 16 * 1920]
        goldens["end"] = sound[1, -16 * 1920 :]
        frames = sound.reshape(2, weights.FRAMES, 1920)
        goldens["means"] = frames.mean(2)
        goldens["loudness"] = np.sqrt(np.square(frames).mean(2))

        recording = torch.from_numpy(weights.sound(weights.SECONDS, weights.SOUND_SEED))
        mask = torch.ones(1, recording.shape[0], dtype=torch.long)
        encoded = reference.encode(recording[None], mask).audio_codes[0].t()
        goldens["codes"] = encoded.numpy().astype(np.int16)
        features: list[Any] = []
        hook = reference.encoder.downsample.register_forward_hook(
            lambda module, inputs, output: features.append(output)
        )
        reference.encode(recording[None], mask)
        hook.remove()
        goldens["features"] = features[0][0].t().numpy()

        ecapa = models.Qwen3TTSSpeakerEncoder(
            models.Qwen3TTSSpeakerEncoderConfig(
                enc_dim=speaker.width,
                enc_channels=list(speaker.channels),
                enc_attention_channels=speaker.attention,
                enc_se_channels=speaker.squeeze,
            )
        ).eval()
        drawn = weights.drawn(shapes.speaker_shapes(speaker), weights.SPEAKER_SEED)
        _filled(ecapa, drawn, "speaker_encoder.")
        mel = models.mel_spectrogram(recording[None], 1024, 128, 24000, 256, 1024, 0, 12000)
        goldens["mel"] = mel[0, :, :24].numpy()
        goldens["x_vector"] = ecapa(mel.transpose(1, 2))[0].numpy()
    goldens["filters"] = librosa.filters.mel(sr=24000, n_fft=1024, n_mels=128, fmin=0, fmax=12000)
    (HERE / "goldens").mkdir(exist_ok=True)
    np.savez_compressed(HERE / "goldens" / "codec.npz", **goldens)
    print({name: value.shape for name, value in goldens.items()})
    print("size", (HERE / "goldens" / "codec.npz").stat().st_size, "std", sound.std())


if __name__ == "__main__":
    main()
