"""Checkpoints that are whole are opened; of others is said which file, and what in it, is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from streamer.engines.qwen3.checkpoint import open_checkpoint
from streamer.engines.qwen3.config import Sampling, read_model
from streamer.engines.qwen3.random_config import SIZES, raw_model
from streamer.engines.qwen3.random_weights import write_random_checkpoint
from streamer.engines.qwen3.shapes import model_shapes
from streamer.errors import CheckpointInvalid

CODEC = "speech_tokenizer/"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "a-base"
    write_random_checkpoint(root, "base", "tiny17", 5)
    return root


@pytest.fixture
def copied(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "a-base"))


def refused(root: Path) -> CheckpointInvalid:
    with pytest.raises(CheckpointInvalid) as caught:
        open_checkpoint(str(root))
    assert caught.value.param == "qwen3"
    return caught.value


def edit(root: Path, file: str, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((root / file).read_text("utf-8"))
    change(content)
    (root / file).write_text(json.dumps(content), "utf-8")


def set_in(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, key = path.split(".")
        for parent in parents:
            content = content[parent]
        content[key] = value

    return change


def test_everything_comes_in_the_type_that_was_asked_for(written: Path) -> None:
    checkpoint = open_checkpoint(str(written))
    assert checkpoint.name == "a-base"
    assert checkpoint.sampling == Sampling()
    types = {name: tensor.dtype for name, tensor in checkpoint.tensors.items()}
    speaker = {name for name in types if name.startswith("speaker_encoder.")}
    assert {types[name] for name in speaker} == {torch.float32}
    assert {types[name] for name in types.keys() - speaker} == {torch.bfloat16}
    assert {tensor.dtype for tensor in checkpoint.codec_tensors.values()} == {torch.float32}


def test_shards_are_one_file(copied: Path) -> None:
    whole = open_checkpoint(str(copied), dtype=torch.float32)
    before = {name: tensor.clone() for name, tensor in whole.tensors.items()}
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    names = sorted(tensors)
    homes: dict[str, str] = {}
    for index in (0, 1):
        home = f"model-0000{index + 1}-of-00002.safetensors"
        homes |= dict.fromkeys(names[index::2], home)
        save_file({name: tensors[name] for name in names[index::2]}, copied / home)
    index_file = copied / "model.safetensors.index.json"
    index_file.write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    after = open_checkpoint(str(copied), dtype=torch.float32).tensors
    assert set(after) == set(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    (copied / homes["talker.codec_head.weight"]).unlink()
    assert refused(copied).details["file"] == homes["talker.codec_head.weight"]
    edit(copied, index_file.name, set_in("weight_map", ["no"]))
    assert refused(copied).details["file"] == index_file.name


@pytest.mark.parametrize(
    "file",
    [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        f"{CODEC}config.json",
        f"{CODEC}model.safetensors",
    ],
)
def test_a_file_that_is_missing_is_named(copied: Path, file: str) -> None:
    (copied / file).unlink()
    error = refused(copied)
    assert error.details["file"] == file
    assert error.message == f"a-base/{file} is missing"


@pytest.mark.parametrize(
    "file", ["config.json", "generation_config.json", "model.safetensors", f"{CODEC}config.json"]
)
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b'{"a": ', b"\x08" + b"\x00" * 20])
def test_a_file_of_something_else_is_named(copied: Path, file: str, content: bytes) -> None:
    (copied / file).write_bytes(content)
    assert refused(copied).details["file"] == file


@pytest.mark.parametrize(
    ("file", "tensor", "change"),
    [
        ("model.safetensors", "talker.model.norm.weight", lambda old: None),
        ("model.safetensors", "talker.codec_head.weight", lambda old: old[:-1].clone()),
        ("model.safetensors", "speaker_encoder.fc.bias", lambda old: old[None].clone()),
        ("model.safetensors", "talker.model.norm.weight", lambda old: old.to(torch.int32)),
        (f"{CODEC}model.safetensors", "decoder.pre_conv.conv.bias", lambda old: None),
    ],
)
def test_a_tensor_that_is_missing_or_of_another_shape_is_named(
    copied: Path, file: str, tensor: str, change: Callable[[torch.Tensor], torch.Tensor | None]
) -> None:
    tensors = load_file(copied / file)
    changed = change(tensors.pop(tensor))
    save_file(tensors if changed is None else tensors | {tensor: changed}, copied / file)
    error = refused(copied)
    assert (error.details["file"], error.details["tensor"]) == (file, tensor)


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("config.json", "tts_model_type", "singing"),
        ("config.json", "tts_model_size", "7b"),
        ("config.json", "tokenizer_type", "qwen3_tts_tokenizer_25hz"),
        ("config.json", "talker_config", 3),
        ("config.json", "talker_config.hidden_size", None),
        ("config.json", "talker_config.hidden_size", "64"),
        ("config.json", "talker_config.hidden_size", True),
        ("config.json", "talker_config.num_key_value_heads", 3),
        ("config.json", "talker_config.hidden_act", "gelu"),
        ("config.json", "talker_config.use_sliding_window", True),
        ("config.json", "talker_config.rope_scaling", {"rope_type": "yarn"}),
        ("config.json", "talker_config.codec_eos_token_id", 5000),
        ("config.json", "talker_config.codec_language_id", {"english": 9999}),
        ("config.json", "talker_config.spk_id", {"ryan": "3061"}),
        ("config.json", "talker_config.spk_is_dialect", {"eric": "klingon"}),
        ("config.json", "talker_config.rms_norm_eps", -1),
        ("config.json", "talker_config.code_predictor_config.num_code_groups", 8),
        ("config.json", "tts_pad_token_id", 512),
        ("config.json", "speaker_encoder_config.enc_channels", [32, "x"]),
        ("config.json", "transformers_version", 4),
        ("generation_config.json", "temperature", 0),
        ("generation_config.json", "top_k", -1),
        ("generation_config.json", "do_sample", "yes"),
        (f"{CODEC}config.json", "model_type", "mimi"),
        (f"{CODEC}config.json", "decoder_config.upsample_rates", [8, 5, 4]),
        (f"{CODEC}config.json", "decoder_config.num_key_value_heads", 1),
        (f"{CODEC}config.json", "decoder_config.num_quantizers", 8),
        (f"{CODEC}config.json", "encoder_config.use_causal_conv", False),
        (f"{CODEC}config.json", "encoder_config.codebook_size", 512),
        (f"{CODEC}config.json", "output_sample_rate", 48000),
    ],
)
def test_what_is_not_known_is_refused_before_it_is_spoken_wrongly(
    copied: Path, file: str, path: str, value: object
) -> None:
    edit(copied, file, set_in(path, value))
    assert refused(copied).details["file"] == file


def test_an_id_may_be_a_list_of_one() -> None:
    raw = raw_model("custom_voice", SIZES["tiny"])
    plain = read_model(raw)
    raw["talker_config"]["spk_id"] = {
        name.upper(): [index] for name, index in raw["talker_config"]["spk_id"].items()
    }
    assert read_model(raw) == plain
    assert len(plain.speakers) == 9


def test_generation_may_be_greedy(copied: Path) -> None:
    edit(copied, "generation_config.json", lambda content: content.clear())
    assert open_checkpoint(str(copied)).sampling == Sampling()
    edit(copied, "generation_config.json", set_in("do_sample", False))
    edit(copied, "generation_config.json", set_in("subtalker_top_k", 0))
    assert open_checkpoint(str(copied)).sampling == Sampling(greedy=True, sub_top_k=0)


@pytest.mark.parametrize("source", ["/no/such/directory", "no directory", "./a/b", ""])
def test_a_source_that_is_neither_directory_nor_name_is_refused(source: str) -> None:
    with pytest.raises(CheckpointInvalid):
        open_checkpoint(source)


def test_a_name_is_only_looked_up_where_that_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointInvalid) as caught:
        open_checkpoint("somebody/no-such-checkpoint", download=False)
    assert "somebody/no-such-checkpoint" in caught.value.message


@pytest.mark.parametrize(("size", "parameters"), [("0.6B", 914_643_008), ("1.7B", 1_928_677_440)])
def test_published_sizes_have_as_many_parameters_as_the_published_files(
    size: str, parameters: int
) -> None:
    shapes = model_shapes(read_model(raw_model("base", SIZES[size])))
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == parameters
