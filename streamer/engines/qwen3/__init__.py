"""Qwen3-TTS, run by modules of our own on a GPU or a CPU. Needs the extra `qwen3`, and a checkpoint.

Nothing here imports torch before the engine is opened.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from streamer.errors import InvalidParameter

if TYPE_CHECKING:
    from streamer.config import Settings
    from streamer.engines.base import Engine

_NEEDS = ("torch", "safetensors", "tokenizers")


def open_engine(settings: Settings) -> Engine:
    """The engine of the settings `qwen3…`. Blocks until it is warm. Raises `InvalidParameter`,
    `CheckpointInvalid`."""
    require()
    from streamer.engines.qwen3 import engine

    return engine.open_engine(settings)


def require() -> None:
    """Raises `InvalidParameter` where the extra is not installed."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise InvalidParameter(
            f"qwen3 needs {', '.join(missing)}: pip install streamer[qwen3]", param="engines"
        )
