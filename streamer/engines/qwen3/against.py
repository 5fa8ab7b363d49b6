"""The reference implementation (the package qwen-tts), where somebody has installed it beside ours: what it
says, greedily, is what ours has to say. Only `verify` asks.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def there() -> bool:
    """Whether it is installed."""
    return find_spec("qwen_tts") is not None


def codes_of_reference(
    directory: str,
    text: str,
    speaking: Mapping[str, Any],
    frames: int,
    x_vector: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.int64]:
    """[at most `frames`, 16] of a checkpoint, in float32 on a CPU, its text heard as it speaks. `speaking`:
    what its `generate_…` take besides. Raises whatever it raises, also while it is imported."""
    package = importlib.import_module("qwen_tts")
    model = package.Qwen3TTSModel.from_pretrained(directory, dtype=torch.float32)
    heard: list[npt.NDArray[np.int64]] = []
    speak = model.model.generate

    def keep(**given: Any) -> Any:
        codes = speak(**given)[0]
        heard.append(codes[0].cpu().numpy().astype(np.int64))
        return codes, None

    def silent(codes: Any) -> Any:
        return [np.zeros(1, np.float32)], 24000

    model.model.generate, model.model.speech_tokenizer.decode = keep, silent
    common = {
        "text": text,
        "non_streaming_mode": False,
        "do_sample": False,
        "subtalker_dosample": False,
        "max_new_tokens": frames + 1,
        **speaking,
    }
    kind = model.model.tts_model_type
    if kind == "custom_voice":
        model.generate_custom_voice(**common)
    elif kind == "voice_design":
        model.generate_voice_design(**common)
    else:
        clone = package.VoiceClonePromptItem(
            ref_code=None,
            ref_spk_embedding=torch.from_numpy(x_vector),
            x_vector_only_mode=True,
            icl_mode=False,
            ref_text=None,
        )
        model.generate_voice_clone(voice_clone_prompt=[clone], **common)
    return heard[0]
