"""Ids are the reference's, and the same however a text is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.engines.qwen3.random_text import SPECIAL, vocabulary
from streamer.engines.qwen3.random_weights import write_tokenizer
from streamer.engines.qwen3.tokenizer import Tokenizer, TokenizerFiles, words_by_case
from streamer.errors import CheckpointInvalid
from tests.engines.qwen3.cases import OF_SIZE, WORDS

Opened = Callable[[str, bool], Tokenizer]
TEXT = st.text(
    st.sampled_from(
        "aBé e\u0301\u0321\u093e각ᄀ\u1161\u11a8你好ǅʰ ٣5½'’s.,!/？-—\t\n\r\u00a0\u3000\u2028\x1c☃"
    )
    | st.characters(exclude_categories=["Cs"]),
    max_size=30,
) | st.lists(st.sampled_from("Hello world don't OpenAI's 12 // \n\n ， 世界 'LL".split(" "))).map(
    " ".join
)


def files(root: Path, by_case: bool = False) -> TokenizerFiles:
    return TokenizerFiles(
        root / "vocab.json",
        root / "merges.txt",
        root / "tokenizer_config.json",
        by_case=by_case,
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def tokenizer(size: str, by_case: bool) -> Tokenizer:
        root = tmp_path_factory.mktemp("tokenizer")
        write_tokenizer(root, OF_SIZE[size].first_special)
        return Tokenizer(files(root, by_case))

    return tokenizer


@pytest.mark.parametrize("size", ["tiny", "large"])
@pytest.mark.parametrize("index", range(len(WORDS)))
def test_ids_are_the_references(size: str, index: int, opened: Opened) -> None:
    goldens = Path(__file__).parent / "goldens" / "words.json"
    theirs = json.loads(goldens.read_text("utf-8"))[size][index]
    assert opened(size, True).body(WORDS[index]) == theirs[3:-2]


def test_words_by_case_are_of_large_vocabularies_alone(opened: Opened) -> None:
    text = "HelloWorld"
    assert opened("large", True).body(text) != opened("large", False).body(text)
    assert opened("tiny", True).body(text) == opened("tiny", False).body(text)


@pytest.mark.parametrize(
    ("writer", "local", "by_case"),
    [
        ("4.57.3", True, True),
        ("4.57.3", False, False),
        ("4.57.2", True, False),
        ("4.58.0.dev0", True, True),
        ("5.0.0", True, False),
        ("5.1.2", True, False),
        ("4.9", True, False),
        ("", True, True),
        ("", False, False),
    ],
)
def test_who_wrote_a_checkpoint_decides_how_its_words_are_cut(
    writer: str, local: bool, by_case: bool
) -> None:
    assert words_by_case(writer, local) is by_case


@pytest.mark.parametrize("size", ["tiny", "large"])
@given(text=TEXT, data=st.data())
def test_any_cutting_gives_the_ids_of_the_whole(
    size: str, text: str, data: st.DataObject, opened: Opened
) -> None:
    tokenizer = opened(size, True)
    pieces, ids, rest = tokenizer.pieces(), [], text
    while rest:
        length = data.draw(st.integers(1, len(rest)))
        ids += pieces.push(rest[:length])
        rest = rest[length:]
    assert ids + pieces.flush() == tokenizer.body(text)


def test_words_come_as_soon_as_they_are_certain(opened: Opened) -> None:
    tokenizer = opened("tiny", False)
    pieces = tokenizer.pieces()
    assert pieces.push("Hello") == []
    assert pieces.push(" wor") == tokenizer.encode("Hello")
    assert pieces.push("ld, ") == tokenizer.encode(" world,")
    assert pieces.push("你好") == []
    assert pieces.push("，") == tokenizer.encode(" 你好")
    assert pieces.push("世界") == []
    assert pieces.flush() == tokenizer.encode("，世界")


def test_another_text_begins_after_a_flush(opened: Opened) -> None:
    tokenizer = opened("tiny", False)
    pieces = tokenizer.pieces()
    for _ in range(2):
        assert pieces.push("Hello world") + pieces.flush() == tokenizer.body("Hello world")


def test_control_tokens_of_a_text_are_text(opened: Opened) -> None:
    tokenizer = opened("tiny", False)
    largest = OF_SIZE["tiny"].first_special
    for name in SPECIAL:
        assert max(tokenizer.body(name)) < largest, name
    instruction = tokenizer.instruction("be calm<|im_end|>")
    assert [index - largest for index in instruction if index >= largest] == [1, 2]


def test_half_a_surrogate_pair_is_a_question_mark(opened: Opened) -> None:
    tokenizer = opened("tiny", False)
    assert tokenizer.body("a\ud83d") == tokenizer.body("a?")


def test_a_whole_file_counts_before_vocabulary_and_merges(opened: Opened, tmp_path: Path) -> None:
    tokenizer = opened("tiny", False)
    words, merges = vocabulary()
    pattern = r"'s|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"
    whole = tmp_path / "tokenizer.json"
    steps = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]
    added = [
        {"id": len(words) + index, "content": name, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for index, name in enumerate(SPECIAL)
    ]
    content = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": steps[1],
        "model": {"type": "BPE", "vocab": words, "merges": [" ".join(pair) for pair in merges]},
    }
    whole.write_text(json.dumps(content))
    read = Tokenizer(TokenizerFiles(whole, whole, whole, whole))
    for text in ("Hello world, it's 你好", "<|im_end|>"):
        assert read.body(text) == tokenizer.body(text)
    assert read.role == tokenizer.role


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "{}", "[1]", "\x00"])
def test_files_that_are_none_are_named(tmp_path: Path, name: str, content: str) -> None:
    write_tokenizer(tmp_path, OF_SIZE["tiny"].first_special)
    (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointInvalid) as caught:
        Tokenizer(files(tmp_path))
    assert caught.value.details["file"] in ("vocab.json", "merges.txt", "tokenizer_config.json")
    assert caught.value.param == "qwen3"
