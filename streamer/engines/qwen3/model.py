"""Talker and predictor of one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from streamer.engines.qwen3.config import ModelConfig
from streamer.engines.qwen3.ops import Ops
from streamer.engines.qwen3.predictor import Predictor
from streamer.engines.qwen3.talker import Talker


class Model:
    """What makes frames of codes. `rows`: the most rows of one `predictor.frame`."""

    def __init__(
        self, config: ModelConfig, tensors: Mapping[str, Tensor], ops: Ops, rows: int
    ) -> None:
        self.config, self.rows = config, rows
        self.talker = Talker(config, tensors, ops)
        self.predictor = Predictor(config, tensors, ops, self.talker.embedding, rows)
        self.device, self.dtype = self.talker.device, self.talker.dtype
        ids = config.ids
        self.bos_row, self.eos_row, self.pad_row = self.text(
            (ids.text_bos, ids.text_eos, ids.text_pad)
        )
        """Rows [H] of text's begin, its end, and what is heard once it has ended."""

    def text(self, ids: Sequence[int]) -> Tensor:
        """Rows of text [n, H]."""
        return self.talker.text(ids)
