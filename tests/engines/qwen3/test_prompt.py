"""What prompts promise beyond the reference's numbers: growing text, keys, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamer.engines.qwen3.checkpoint import open_checkpoint
from streamer.engines.qwen3.config import Kind, Sampling
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.prompt import Prompts
from streamer.engines.qwen3.random_weights import write_random_checkpoint, write_tokenizer
from streamer.engines.qwen3.tokenizer import Tokenizer
from streamer.errors import (
    CheckpointInvalid,
    InvalidParameter,
    LanguageNotSupported,
    UnknownVoice,
    UnsupportedParameter,
)
from tests.engines.qwen3.reference_loop import speak

Opened = dict[tuple[str, str], tuple[Model, Prompts, Tokenizer]]
X_VECTOR = np.linspace(-1, 1, 64, dtype=np.float32)
CODES = np.arange(48, dtype=np.int16).reshape(16, 3)
TEXT = "Hello world, this is a test of that voice, 你好。"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    root, found = tmp_path_factory.mktemp("checkpoints"), {}
    for kind, size in (
        ("custom_voice", "tiny"),
        ("custom_voice", "tiny17"),
        ("base", "tiny"),
        ("voice_design", "tiny"),
    ):
        path = root / f"{kind}-{size}"
        write_random_checkpoint(path, cast(Kind, kind), size, 1)
        checkpoint = open_checkpoint(str(path), dtype=torch.float32)
        model = Model(checkpoint.config, checkpoint.tensors, Eager(), 2)
        tokenizer = Tokenizer(checkpoint.tokenizer_files)
        found[kind, size] = model, Prompts(model, tokenizer), tokenizer
    return found


def test_a_small_model_says_that_it_follows_no_instructions(opened: Opened) -> None:
    small, large = opened["custom_voice", "tiny"], opened["custom_voice", "tiny17"]
    assert not small[0].config.follows_instructions
    assert large[0].config.follows_instructions
    with pytest.raises(UnsupportedParameter) as caught:
        small[1].preset([5], "ryan", instructions="calm")
    assert caught.value.param == "instructions"
    assert len(large[1].preset([5], "ryan", instructions="calm").prefix) > 8


def test_voices_and_languages_that_are_not_there_are_named_with_those_that_are(
    opened: Opened,
) -> None:
    _, prompts, _ = opened["custom_voice", "tiny"]
    with pytest.raises(UnknownVoice) as voice:
        prompts.preset([5], "nobody")
    assert "ryan" in voice.value.details["candidates"]
    with pytest.raises(LanguageNotSupported) as language:
        prompts.preset([5], "ryan", "klingon")
    assert "english" in language.value.details["candidates"]


def test_a_mode_of_another_checkpoint_is_refused(opened: Opened) -> None:
    _, preset, _ = opened["custom_voice", "tiny"]
    _, clone, _ = opened["base", "tiny"]
    asked: list[Callable[[], object]] = [
        lambda: preset.x_vector([5], X_VECTOR),
        lambda: preset.in_context([5], X_VECTOR, CODES, [5]),
        lambda: preset.design([5], "calm"),
        lambda: clone.preset([5], "ryan"),
    ]
    for ask in asked:
        with pytest.raises(UnsupportedParameter):
            ask()


def test_a_voice_of_another_size_is_refused(opened: Opened) -> None:
    _, prompts, _ = opened["base", "tiny"]
    with pytest.raises(InvalidParameter):
        prompts.x_vector([5], X_VECTOR[1:])
    with pytest.raises(InvalidParameter):
        prompts.in_context([5], X_VECTOR, CODES[1:], [5])


@given(data=st.data())
def test_text_that_grows_is_spoken_as_the_whole(opened: Opened, data: st.DataObject) -> None:
    model, prompts, tokenizer = opened["custom_voice", "tiny"]
    whole = prompts.preset(tokenizer.body(TEXT), "ryan", "english")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(TEXT) - 1), max_size=5)))
    pieces = tokenizer.pieces()
    said = [
        pieces.push(TEXT[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True)
    ]
    said.append(pieces.flush())
    growing = prompts.preset(said[0], "ryan", "english", more=True)
    assert (growing.streams, whole.streams) == (True, False)
    assert torch.equal(growing.prefix, whole.prefix)
    assert growing.key == whole.key
    rows = [growing.text, *(model.text(ids) for ids in said[1:] if ids), model.eos_row[None]]
    assert torch.allclose(torch.cat(rows), whole.text, atol=1e-6)


def test_prefixes_of_one_key_are_one_and_others_differ(opened: Opened) -> None:
    _, prompts, _ = opened["custom_voice", "tiny17"]
    asked = [
        ("ryan", "english", ""),
        ("vivian", "english", ""),
        ("ryan", "auto", ""),
        ("ryan", "english", "calm"),
        ("eric", "auto", ""),
    ]
    found = [prompts.preset([5], *how) for how in asked]
    again = [prompts.preset([6, 7], *how) for how in asked]
    for one, other in zip(found, again, strict=True):
        assert one.key == other.key
        assert one.prefix is other.prefix
    assert len({prompt.key for prompt in found}) == len(asked)
    # A dialect is spoken instead of Chinese, whether that was asked for or nothing was.
    assert prompts.preset([5], "Eric", "Chinese").key == found[-1].key
    assert prompts.preset([5], "ryan", ahead=True).key is None


def test_two_voices_of_one_length_have_two_keys(opened: Opened) -> None:
    _, prompts, _ = opened["base", "tiny"]
    keys = {prompts.x_vector([5], X_VECTOR * sign).key for sign in (1, -1)}
    assert len(keys) == 2
    context = prompts.in_context([5], X_VECTOR, CODES, [5])
    assert context.key is None
    assert context.reference is not None
    assert context.reference.tolist() == CODES.tolist()


def test_a_tokenizer_that_says_more_than_the_model_hears_is_refused(
    opened: Opened, tmp_path: Path
) -> None:
    model, _, tokenizer = opened["base", "tiny"]
    root = tmp_path / "large"
    write_random_checkpoint(root, "base", "tiny", 1)
    write_tokenizer(root, 600)
    checkpoint = open_checkpoint(str(root))
    assert tokenizer.size <= model.config.talker.text_vocab
    with pytest.raises(CheckpointInvalid):
        Prompts(model, Tokenizer(checkpoint.tokenizer_files))


def test_text_and_voice_and_language_are_heard(opened: Opened) -> None:
    model, prompts, tokenizer = opened["custom_voice", "tiny"]
    ids = tokenizer.body("Hello world")
    said = [
        speak(model, prompt, 4, Sampling()).tolist()
        for prompt in (
            prompts.preset(ids, "ryan", "english"),
            prompts.preset(ids, "vivian", "english"),
            prompts.preset(ids, "ryan", "german"),
            prompts.preset(ids[::-1], "ryan", "english"),
        )
    ]
    assert all(one != other for index, one in enumerate(said) for other in said[:index])
