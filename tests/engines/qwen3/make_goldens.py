"""Ask the reference, and write down its answers: `goldens/prompts.npz` and `goldens/words.json`.

Run from the root of the checkout in a virtual environment of the reference's own, made by

    pip install torch==2.13.0 transformers==4.57.3 accelerate==1.12.0 soundfile einops safetensors librosa
    pip install --no-deps qwen-tts==0.1.1

    python -m tests.engines.qwen3.make_goldens

Needed again only when `cases.py` or what `random_weights` draws changes. It takes some minutes.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.engines.qwen3.cases import (
    CASES,
    FRAMES,
    WORDS,
    Case,
    case_id,
    folder,
    reference_codes,
    write,
    x_vector,
)

GOLDENS = Path(__file__).parent / "goldens"


def open_reference(path: Path) -> Any:
    """`Qwen3TTSModel`, without what only its unpublished 25 Hz tokenizer imports."""
    for name in ("torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"):
        _stub(name)
    _stub("sox")
    _stub("onnxruntime")
    reference = importlib.import_module("qwen_tts").Qwen3TTSModel
    return reference.from_pretrained(str(path), dtype=torch.float32)


def _stub(name: str) -> None:
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__path__ = []
    sys.modules.setdefault(name, module)
    if "." in name:
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, sys.modules[name])


def ask(model: Any, case: Case, ahead: bool) -> dict[str, np.ndarray[Any, Any]]:
    """Its prompt [P, H], the text that follows on it [N, H], and its codes [frames, 16], greedy."""
    heard: dict[str, Any] = {}
    generate, speak = model.model.talker.generate, model.model.generate

    def listen(**given: Any) -> Any:
        heard.update(given)
        return generate(**given)

    def keep(**given: Any) -> Any:
        heard["codes"] = speak(**given)[0][0]
        return [heard["codes"]], None

    def silent(codes: Any) -> Any:
        return [np.zeros(1, np.float32)], 24000

    model.model.talker.generate, model.model.generate = listen, keep
    model.model.speech_tokenizer.decode = silent
    common = {
        "text": case.text,
        "language": case.language,
        "non_streaming_mode": ahead,
        "do_sample": False,
        "subtalker_dosample": False,
        "max_new_tokens": FRAMES + 1,
    }
    if case.kind == "custom_voice":
        model.generate_custom_voice(
            speaker=case.voice, instruct=case.instructions or None, **common
        )
    elif case.kind == "voice_design":
        model.generate_voice_design(instruct=case.instructions, **common)
    else:
        item = importlib.import_module("qwen_tts").VoiceClonePromptItem(
            ref_code=torch.from_numpy(reference_codes(case).T.astype(np.int64)),
            ref_spk_embedding=torch.from_numpy(x_vector(case)),
            x_vector_only_mode=not case.frames,
            icl_mode=bool(case.frames),
            ref_text=case.transcript or None,
        )
        model.generate_voice_clone(voice_clone_prompt=[item], **common)
    model.model.talker.generate, model.model.generate = generate, speak
    return {
        "prompt": heard["inputs_embeds"][0].numpy(),
        "text": heard["trailing_text_hidden"][0].numpy(),
        "codes": heard["codes"].numpy().astype(np.int16),
    }


def main() -> None:
    torch.set_num_threads(1)
    GOLDENS.mkdir(exist_ok=True)
    answers: dict[str, np.ndarray[Any, Any]] = {}
    words: dict[str, list[list[int]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        models: dict[str, Any] = {}
        for case in CASES:
            if folder(case) not in models:
                models[folder(case)] = open_reference(write(case, Path(temporary)))
            model = models[folder(case)]
            for ahead in (False, True):
                for key, values in ask(model, case, ahead).items():
                    answers[f"{case_id(case)}, {ahead}, {key}"] = values
            print(case_id(case), len(answers[f"{case_id(case)}, False, codes"]))
            if case.size not in words:
                tokenizer = model.processor.tokenizer
                words[case.size] = [
                    tokenizer(f"<|im_start|>assistant\n{text}<|im_end|>\n")["input_ids"]
                    for text in WORDS
                ]
    np.savez_compressed(GOLDENS / "prompts.npz", allow_pickle=False, **answers)
    (GOLDENS / "words.json").write_text(json.dumps(words) + "\n")


if __name__ == "__main__":
    main()
