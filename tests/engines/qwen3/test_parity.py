"""Ours against the reference's answers (`make_goldens.py`), in every mode that the checkpoints know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streamer.engines.qwen3.checkpoint import Checkpoint, open_checkpoint
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.prompt import Prompt, Prompts
from streamer.engines.qwen3.tokenizer import Tokenizer
from tests.engines.qwen3.cases import (
    CASES,
    FRAMES,
    OF_SIZE,
    Case,
    case_id,
    folder,
    reference_codes,
    write,
    x_vector,
)
from tests.engines.qwen3.reference_loop import load, speak

AHEAD = pytest.mark.parametrize("ahead", [False, True], ids=["as it speaks", "ahead"])
EVERY = pytest.mark.parametrize("case", CASES, ids=case_id)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp("checkpoints")

    @cache
    def opened(name: str) -> tuple[Checkpoint, Model, Prompts, Tokenizer]:
        case = next(case for case in CASES if folder(case) == name)
        checkpoint = open_checkpoint(str(write(case, root)), dtype=torch.float32)
        model, tokenizer = load(checkpoint), Tokenizer(checkpoint.tokenizer_files)
        return checkpoint, model, Prompts(model, tokenizer), tokenizer

    return opened


@pytest.fixture(scope="module")
def answers() -> Mapping[str, Any]:
    with np.load(Path(__file__).parent / "goldens" / "prompts.npz") as file:
        return dict(file)


def prompt_of(case: Case, prompts: Prompts, tokenizer: Tokenizer, ahead: bool) -> Prompt:
    ids = tokenizer.body(case.text)
    if case.kind == "custom_voice":
        return prompts.preset(ids, case.voice, case.language, case.instructions, ahead=ahead)
    if case.kind == "voice_design":
        return prompts.design(ids, case.instructions, case.language, ahead=ahead)
    if not case.frames:
        return prompts.x_vector(ids, x_vector(case), case.language, ahead=ahead)
    transcript = tokenizer.body(case.transcript)
    voice = x_vector(case), reference_codes(case)
    return prompts.in_context(ids, *voice, transcript, case.language, ahead=ahead)


@AHEAD
@EVERY
def test_prompts_are_the_references_within_a_hundred_thousandth(
    case: Case, ahead: bool, checkpoints: Any, answers: Mapping[str, Any]
) -> None:
    _, model, prompts, tokenizer = checkpoints(folder(case))
    prompt = prompt_of(case, prompts, tokenizer, ahead)
    text = torch.cat((prompt.text, model.pad_row[None]))
    first = prompt.feedback + text[0]
    ours = torch.cat((prompt.prefix, first[None])).numpy()
    theirs = answers[f"{case_id(case)}, {ahead}, prompt"]
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5
    # What follows: theirs ends where only the pad row would come, or with one of these.
    rest = answers[f"{case_id(case)}, {ahead}, text"]
    following = torch.cat((text[1:], model.pad_row[None]))[: len(rest)].numpy()
    assert len(text) - 2 <= len(rest) <= len(text)
    assert np.abs(following - rest).max() < 1e-5


@AHEAD
@EVERY
def test_codes_are_the_references_to_the_last_one(
    case: Case, ahead: bool, checkpoints: Any, answers: Mapping[str, Any]
) -> None:
    checkpoint, model, prompts, tokenizer = checkpoints(folder(case))
    prompt = prompt_of(case, prompts, tokenizer, ahead)
    ours = speak(model, prompt, FRAMES, checkpoint.sampling).numpy()
    theirs = answers[f"{case_id(case)}, {ahead}, codes"]
    assert ours.tolist() == theirs.tolist()


def test_goldens_are_of_long_and_short_speech(answers: Mapping[str, Any]) -> None:
    lengths = [len(codes) for name, codes in answers.items() if name.endswith("codes")]
    assert max(lengths) == FRAMES
    assert min(lengths) == 2
    kinds = {(case.kind, case.size) for case in CASES}
    assert len(kinds) == 3 * (len(OF_SIZE) - 1) + 1
