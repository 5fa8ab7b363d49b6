"""Checkpoints as they are published: a directory, or a name on the hub. Everything is checked before the
first tensor is read; tensors come out of the mapped files straight to the device, one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from streamer.engines.qwen3.codec_config import CodecConfig
from streamer.engines.qwen3.codec_fields import CODEC_FILE, read_codec
from streamer.engines.qwen3.codec_shapes import Shapes, codec_shapes
from streamer.engines.qwen3.config import (
    CONTROL,
    FILE,
    SAMPLING_FILE,
    ModelConfig,
    Sampling,
    read_model,
    read_sampling,
)
from streamer.engines.qwen3.shapes import model_shapes
from streamer.engines.qwen3.tokenizer import TokenizerFiles, words_by_case
from streamer.errors import CheckpointInvalid

WEIGHTS = "model.safetensors"
CODEC_WEIGHTS = "speech_tokenizer/model.safetensors"
_INDEX = ".index.json"
_HUB = [
    "*.json",
    "*.txt",
    "*.safetensors",
    "speech_tokenizer/*.json",
    "speech_tokenizer/*.safetensors",
]
"""What is fetched of a named checkpoint."""
_STORED = {"F32", "F16", "BF16"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An open checkpoint. Each look at a tensor reads it anew: keep what you use, and then let this go.

    `tensors` are in the dtype that was asked for, those of the speaker encoder and all `codec_tensors` in
    float32: what is computed from them once (codebooks) or seldom (clones) is computed so.
    """

    name: str
    device: torch.device
    config: ModelConfig
    codec_config: CodecConfig
    sampling: Sampling
    tensors: Mapping[str, Tensor]
    codec_tensors: Mapping[str, Tensor]
    tokenizer_files: TokenizerFiles


def open_checkpoint(
    source: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.bfloat16,
    *,
    download: bool = True,
) -> Checkpoint:
    """Open the directory `source`, or what the hub has under that name (`download` false: only if it has
    been fetched before). Blocks. Raises `CheckpointInvalid` naming the file, and the tensor."""
    root, local = Path(source), True
    if not root.is_dir():
        root, local = _fetched(source, download), False
    name = root.resolve().name if local else source
    try:
        return _open(name, root, local, torch.device(device), dtype)
    except CheckpointInvalid as error:
        raise CheckpointInvalid(f"{name}/{error.message}", **error.details) from error


def _open(
    name: str, root: Path, local: bool, device: torch.device, dtype: torch.dtype
) -> Checkpoint:
    config, codec = read_model(_json(root, FILE)), read_codec(_json(root, CODEC_FILE))
    sampling = read_sampling(_json(root, SAMPLING_FILE))
    _fit(config, codec)
    return Checkpoint(
        name,
        device,
        config,
        codec,
        sampling,
        Stored(root, WEIGHTS, model_shapes(config), device, dtype),
        Stored(root, CODEC_WEIGHTS, codec_shapes(codec), device, torch.float32),
        _tokenizer_files(root, words_by_case(config.writer, local)),
    )


class Stored(Mapping[str, Tensor]):
    """Tensors of one safetensors file or its shards, by name. Raises `CheckpointInvalid` when a file or a
    tensor of `shapes` is missing or is not of that shape; others are nobody's business."""

    def __init__(
        self, root: Path, file: str, shapes: Shapes, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._dtype = dtype
        self._files: dict[str, Any] = {}
        self._homes = _homes(root, file)
        self._names = list(shapes)
        self._device = str(device)
        found: dict[str, set[str]] = {}
        for tensor, shape in shapes.items():
            home = self._homes.get(tensor, file) if self._homes else file
            if home not in self._files:
                self._files[home] = _safe(root, home, self._device)
                found[home] = set(self._files[home].keys())
            if tensor not in found[home]:
                raise _wrong(home, tensor, "is missing")
            stored = self._files[home].get_slice(tensor)
            if tuple(stored.get_shape()) != shape:
                raise _wrong(home, tensor, f"has shape {stored.get_shape()}, not {list(shape)}")
            if stored.get_dtype() not in _STORED:
                raise _wrong(home, tensor, f"is stored as {stored.get_dtype()}")
        self._file = file

    def __getitem__(self, name: str) -> Tensor:
        home = self._homes.get(name, self._file)
        tensor: Tensor = self._files[home].get_tensor(name)
        wide = name.startswith("speaker_encoder.")
        return tensor.to(torch.float32 if wide else self._dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _homes(root: Path, file: str) -> dict[str, str]:
    """The file of each tensor where they are in shards, else nothing."""
    if (root / file).is_file() or not (root / (file + _INDEX)).is_file():
        return {}
    table = _json(root, file + _INDEX).get("weight_map")
    if not isinstance(table, dict) or not all(isinstance(home, str) for home in table.values()):
        raise CheckpointInvalid(f"{file}{_INDEX}: no weight_map", file=file + _INDEX)
    folder = file.rpartition("/")[0]
    # The name alone: an index is read from elsewhere, and must not lead out of the checkpoint.
    return {name: f"{folder}/{Path(home).name}".lstrip("/") for name, home in table.items()}


def _safe(root: Path, file: str, device: str) -> Any:
    try:
        return safe_open(root / file, "pt", device=device)
    except FileNotFoundError as error:
        raise CheckpointInvalid(f"{file} is missing", file=file) from error
    except (SafetensorError, OSError) as error:
        raise CheckpointInvalid(f"{file}: {error}", file=file) from error


def _json(root: Path, file: str) -> dict[str, Any]:
    try:
        raw = json.loads((root / file).read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointInvalid(f"{file} is missing", file=file) from error
    except (ValueError, OSError) as error:
        raise CheckpointInvalid(f"{file}: {error}", file=file) from error
    if not isinstance(raw, dict):
        raise CheckpointInvalid(f"{file} is not an object", file=file)
    return raw


def _fit(config: ModelConfig, codec: CodecConfig) -> None:
    """The codec has sound for every code of the model, the model a row for every code of a reference."""
    decoder, encoder = codec.decoder, codec.encoder
    said = max(config.talker.vocab - CONTROL, config.predictor.codes)
    if config.talker.groups != decoder.books or said > decoder.entries:
        raise CheckpointInvalid(
            f"{CODEC_FILE}: decodes {decoder.books} codes below {decoder.entries}, the model says "
            f"{config.talker.groups} below {said}",
            file=CODEC_FILE,
        )
    if encoder.books != decoder.books or encoder.entries > config.predictor.codes:
        raise CheckpointInvalid(
            f"{CODEC_FILE}: hears other codes than the model knows", file=CODEC_FILE
        )


def _tokenizer_files(root: Path, by_case: bool) -> TokenizerFiles:
    whole = root / "tokenizer.json"
    if not whole.is_file():
        for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
            if not (root / name).is_file():
                raise CheckpointInvalid(f"{name} is missing", file=name)
    return TokenizerFiles(
        root / "vocab.json",
        root / "merges.txt",
        root / "tokenizer_config.json",
        whole if whole.is_file() else None,
        by_case,
    )


def _fetched(source: str, download: bool) -> Path:
    """Where the hub's client keeps that checkpoint, fetched now if it has to be and may."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        raise CheckpointInvalid(f"{source!r} is no directory, and no name on the hub", file="")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=_HUB, local_files_only=not download))
    except Exception as error:  # its errors are those of its HTTP client, of the disk, and its own
        raise CheckpointInvalid(f"{source} could not be fetched: {error}", file="") from error


def _wrong(file: str, tensor: str, what: str) -> CheckpointInvalid:
    return CheckpointInvalid(f"{file}: {tensor} {what}", file=file, tensor=tensor)
