from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from streamer.engines.qwen3.codec_config import SpeakerConfig
from streamer.engines.qwen3.codec_shapes import speaker_shapes
from streamer.engines.qwen3.speaker import (
    SHORTEST_S,
    SpeakerEncoder,
    log_mel,
    mel_filters,
)
from tests.engines.qwen3 import codec_weights as weights
from tests.engines.qwen3.codec_goldens import golden, tensors

CONFIG = SpeakerConfig(**weights.SPEAKER)
FILTERS = torch.from_numpy(mel_filters(CONFIG.mels))


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    drawn = tensors(speaker_shapes(CONFIG), weights.SPEAKER_SEED)
    return SpeakerEncoder(CONFIG, drawn, torch.device("cpu"))


def test_the_mel_filters_are_librosas() -> None:
    assert (FILTERS - golden("filters")).abs().max() <= 1e-6
    assert FILTERS.dtype == torch.float32


def test_the_spectrogram_is_the_references() -> None:
    sound = torch.from_numpy(weights.sound(weights.SECONDS, weights.SOUND_SEED))
    mel = log_mel(sound, FILTERS)
    assert mel.shape == (128, len(sound) // 256)
    assert (mel[:, :24] - golden("mel")).abs().max() <= 1e-4


def test_the_vector_of_a_speaker_is_the_references(encoder: SpeakerEncoder) -> None:
    vector = encoder.embed(torch.from_numpy(weights.sound(weights.SECONDS, weights.SOUND_SEED)))
    assert vector.dtype == torch.float32
    assert (vector - golden("x_vector")).abs().max() <= 1e-4


def test_silence_and_the_shortest_recording_have_vectors_too(encoder: SpeakerEncoder) -> None:
    shortest = torch.zeros(round(SHORTEST_S * 24_000))
    assert torch.isfinite(encoder.embed(shortest)).all()


def test_the_published_encoder_has_the_published_size() -> None:
    shapes = speaker_shapes(SpeakerConfig())
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 8_854_336
