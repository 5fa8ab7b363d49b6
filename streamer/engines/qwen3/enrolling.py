"""Recordings to what a voice is made of (`Voice.data`), and back to what a prompt needs of it."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from streamer.audio.resampler import Resampler
from streamer.engines.qwen3.checkpoint import Checkpoint
from streamer.engines.qwen3.codec_config import FRAME_SAMPLES, SAMPLE_RATE
from streamer.engines.qwen3.codec_encoder import CodecEncoder
from streamer.engines.qwen3.speaker import SpeakerEncoder
from streamer.errors import EngineFailed, InvalidMedia
from streamer.types import Reference, Samples, VoiceData

SILENCE_S = 0.5
"""Put behind a recording that is gone on from: else its last sound leaks into what is said
(faster-qwen3-tts does so)."""


@dataclass(frozen=True, slots=True)
class Clone:
    """`x_vector` float32 [H]; with a transcript `codes` int16 [16, frames]. `name` is the same for the
    same."""

    x_vector: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int16] | None
    transcript: str
    name: Hashable


def data_of(clone: Clone, model: str) -> VoiceData:
    """As it is kept. `model`: what it was made by, for people."""
    data: dict[str, npt.NDArray[Any]] = {"x_vector": clone.x_vector, "model": _bytes(model)}
    if clone.codes is not None:
        data |= {"codes": clone.codes, "transcript": _bytes(clone.transcript)}
    return data


def clone_of(data: VoiceData) -> Clone:
    """What was kept. Raises `EngineFailed` if it is no voice of this engine."""
    x_vector, codes, transcript = data.get("x_vector"), data.get("codes"), data.get("transcript")
    if x_vector is None or (codes is None) != (transcript is None):
        raise EngineFailed("the voice was not made by qwen3", retryable=False)
    arrays = [array for array in (x_vector, codes, transcript) if array is not None]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    said = b"" if transcript is None else transcript.astype(np.uint8).tobytes()
    return Clone(
        x_vector.astype(np.float32),
        None if codes is None else codes.astype(np.int16),
        said.decode("utf-8", "replace"),
        digest.digest(),
    )


class Enroller:
    """Encoders of a Base checkpoint, loaded when they are first needed; `frames`: the longest recording that
    is gone on from. `threads` of torch on a CPU."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, frames: int, threads: int
    ) -> None:
        self._checkpoint = checkpoint
        self._device = device
        self._frames = frames
        self._threads = threads
        self._lock = threading.Lock()
        self._speaker: SpeakerEncoder | None = None
        self._codec: CodecEncoder | None = None

    async def enroll(self, reference: Reference) -> VoiceData:
        """Raises `InvalidMedia` for a recording with a transcript that is too long, `EngineFailed`."""
        sound = _at_our_rate(reference)
        frames = -(-len(sound) // FRAME_SAMPLES)
        if reference.transcript and frames > self._frames:
            limit = self._frames * FRAME_SAMPLES / SAMPLE_RATE
            raise InvalidMedia(
                f"a recording with a transcript has at most {limit:.0f} s here",
                param="audio",
                limit=limit,
            )
        try:
            clone = await asyncio.to_thread(self._clone, sound, reference.transcript)
        except torch.OutOfMemoryError as error:
            raise EngineFailed("the device is out of memory", retry_after_s=1.0) from error
        return data_of(clone, self._checkpoint.name)

    def _clone(self, sound: Samples, transcript: str) -> Clone:
        with self._lock, torch.inference_mode():
            if self._device.type == "cpu":
                torch.set_num_threads(self._threads)
            checkpoint = self._checkpoint
            if self._speaker is None:
                assert checkpoint.config.speaker is not None
                self._speaker = SpeakerEncoder(
                    checkpoint.config.speaker, checkpoint.tensors, self._device
                )
            x_vector = self._speaker.embed(torch.from_numpy(sound)).float().cpu().numpy()
            codes = None
            if transcript:
                if self._codec is None:
                    encoder = checkpoint.codec_config.encoder
                    self._codec = CodecEncoder(encoder, checkpoint.codec_tensors, self._device)
                padded = np.pad(sound, (0, round(SILENCE_S * SAMPLE_RATE)))
                codes = self._codec.encode(torch.from_numpy(padded)).cpu().numpy()
                codes = codes.astype(np.int16)
        return Clone(x_vector, codes, transcript, None)


def _at_our_rate(reference: Reference) -> Samples:
    resampler = Resampler(reference.sample_rate, SAMPLE_RATE)
    return np.concatenate((resampler.push(reference.samples), resampler.flush()))


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8"), np.uint8).copy()
