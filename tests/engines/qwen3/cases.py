"""What is said to both, the reference and us: the same checkpoints, texts and voices, by seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamer.engines.qwen3.random_config import SIZES, Size

if TYPE_CHECKING:
    from streamer.engines.qwen3.config import Kind

FRAMES = 16
ODD = replace(
    SIZES["tiny17"],
    hidden=80,
    intermediate=56,
    layers=3,
    heads=6,
    kv_heads=3,
    head_dim=24,
    text_hidden=40,
    predictor_hidden=48,
    predictor_layers=1,
    codes=128,
    rope_theta=5000.0,
    bias=True,
)
"""No two widths alike, and biases."""
LARGE = replace(SIZES["tiny"], first_special=100_100, text_vocab=100_200)
"""A vocabulary that the reference takes for one to mend (`tokenizer.words_by_case`)."""
OF_SIZE: dict[str, Size] = {
    "tiny": SIZES["tiny"],
    "tiny17": SIZES["tiny17"],
    "odd": ODD,
    "large": LARGE,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One utterance. `voice` of CustomVoice; `instructions` or a description; `frames` of a reference and its
    `transcript` for a clone in context, none of them for one by x-vector. `end`: the weight of the end."""

    name: str
    kind: Kind
    size: str
    seed: int
    text: str
    language: str = "auto"
    voice: str = ""
    instructions: str = ""
    transcript: str = ""
    frames: int = 0
    end: float = 1.0


def _cases() -> list[Case]:
    cases = []
    for seed, size in enumerate(("tiny", "tiny17", "odd")):
        preset: tuple[Kind, str, int] = "custom_voice", size, seed
        base: tuple[Kind, str, int] = "base", size, 10 + seed
        design: tuple[Kind, str, int] = "voice_design", size, 20 + seed
        said = "Hello world, this is a test of streaming speech."
        cases += [
            Case("preset", *preset, said, "English", "ryan"),
            Case("preset, any language", *preset, "Où est l'été? Là-bas!", "auto", "Vivian"),
            Case("preset, one token", *preset, "a", "russian", "serena"),
            Case("dialect for Chinese", *preset, "你好，世界。", "Chinese", "eric"),
            Case("dialect for any language", *preset, "你好", "auto", "dylan"),
            Case("no dialect for English", *preset, "Hello.", "english", "eric"),
            Case("x-vector", *base, said, "German"),
            Case("x-vector, any language", *base, "你好，世界。 Hello"),
            Case("in context", *base, said, "english", transcript="this is that voice.", frames=40),
            Case("in context, text left over", *base, said, transcript="a test", frames=7),
            Case("in context, no longer", *base, "a", "Korean", transcript=" a", frames=3),
            Case("design", *design, said, "english", instructions="a calm, deep voice"),
            Case("design of nothing", *design, "Hello world"),
        ]
        if size != "tiny":
            how = "reads that to you, calm.\n\nDeep"
            cases.append(Case("preset, told how", *preset, said, "auto", "ryan", how))
        cases.append(Case("an early end", *preset, said, "english", "aiden", end=60.0))
    cases.append(Case("large", "custom_voice", "large", 3, WORDS[0], "english", "ryan"))
    return cases


WORDS = (
    "HelloWorld of OpenAI's iPhone15, isn't that IT?",
    "  Hello\tworld \n\n and   to you \r\n",
    "don't DON'T we'll I'M 'sound' x/y //\n/ a_b",
    "é e\u0301 ỗ o\u0302\u0303 你好！！世界 こんにちは 안녕 각 ½ Ⅷ ٣",
    "price: 1,234.50 € — 99%… ok ☃️ 👩‍👩‍👧 ǅ ʰ",
    "\nafter a newline",
    " after a space",
    "",
)
"""For the tokenizer alone; no control tokens: to the reference they would be such."""
CASES = _cases()


def case_id(case: Case) -> str:
    return f"{case.name}, {case.size}"


def folder(case: Case) -> str:
    """Of its checkpoint."""
    return f"{case.kind}-{case.size}-{case.seed}-{case.end:g}"


def x_vector(case: Case) -> npt.NDArray[np.float32]:
    """Somebody's voice, [H]."""
    random = np.random.Generator(np.random.Philox(key=[case.seed, 1]))
    return 2 * random.random(OF_SIZE[case.size].hidden, np.float32) - 1


def reference_codes(case: Case) -> npt.NDArray[np.int16]:
    """Of what they said, [16, frames]."""
    random = np.random.Generator(np.random.Philox(key=[case.seed, 2]))
    codes = random.random((16, case.frames)) * OF_SIZE[case.size].codes
    return codes.astype(np.int16)


def write(case: Case, root: Path) -> Path:
    """Its checkpoint, in a folder of `root`."""
    import torch
    from safetensors.torch import load_file, save_file

    from streamer.engines.qwen3.random_weights import write_random_checkpoint

    size, path = OF_SIZE[case.size], root / folder(case)
    write_random_checkpoint(path, case.kind, size, case.seed)
    if case.end != 1.0:
        file = path / "model.safetensors"
        tensors = load_file(file)
        tensors["talker.codec_head.weight"][size.codes + 102] *= torch.tensor(case.end)
        save_file(tensors, file, {"format": "pt"})
    return path
