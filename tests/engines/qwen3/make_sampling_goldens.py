"""Probabilities of the reference's own logits processors for random logits -> goldens/sampling.npz.

Run from the root of the checkout in the environment that `make_goldens` tells:

    python -m tests.engines.qwen3.make_sampling_goldens

The order is that of `GenerationMixin._get_logits_processor` for the arguments that qwen_tts gives.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

VOCAB, END = 3072, 2150
CASES = (
    (0, 0.9, 50, 1.0),
    (1, 0.9, 50, 1.0),
    (2, 0.9, 50, 1.0),
    (40, 0.7, 20, 0.8),
    (9, 1.1, 0, 0.95),
)
"""Codes drawn before, temperature, top-k, top-p."""


def main() -> None:
    reference = importlib.import_module("transformers")
    generator = torch.Generator().manual_seed(1)
    kept: dict[str, Any] = {"cases": np.array(CASES)}
    for number, (drawn, temperature, top_k, top_p) in enumerate(CASES):
        logits = torch.randn(1, VOCAB, generator=generator) * 2
        # As bfloat16 has them: with equals.
        logits = logits.bfloat16().float()
        logits[0, END] = 6.0
        before = torch.randint(0, 2048, (1, drawn), generator=generator)
        processors = reference.LogitsProcessorList(
            [
                reference.RepetitionPenaltyLogitsProcessor(1.05),
                reference.MinNewTokensLengthLogitsProcessor(0, 2, END, "cpu"),
                reference.SuppressTokensLogitsProcessor(
                    [i for i in range(VOCAB - 1024, VOCAB) if i != END], "cpu"
                ),
                reference.TemperatureLogitsWarper(temperature),
            ]
        )
        if top_k:
            processors.append(reference.TopKLogitsWarper(top_k))
        processors.append(reference.TopPLogitsWarper(top_p))
        likely = processors(before, logits).softmax(-1)
        kept[f"logits{number}"] = logits[0].numpy().astype(np.float16)
        kept[f"before{number}"] = before[0].numpy().astype(np.int16)
        kept[f"likely{number}"] = likely[0].numpy()
    np.savez_compressed(Path(__file__).parent / "goldens" / "sampling.npz", **kept)


if __name__ == "__main__":
    main()
