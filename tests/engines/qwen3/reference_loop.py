"""The loop that makes speech, in its plainest form: one sequence, greedy. What parity is judged by."""

from __future__ import annotations

import torch
from torch import Tensor

from streamer.engines.qwen3.checkpoint import Checkpoint
from streamer.engines.qwen3.config import CONTROL, Sampling
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.prompt import Prompt
from streamer.engines.qwen3.talker import KvArena


def load(checkpoint: Checkpoint) -> Model:
    return Model(checkpoint.config, checkpoint.tensors, Eager(), 4)


def speak(model: Model, prompt: Prompt, frames: int, sampling: Sampling) -> Tensor:
    """Codes [at most `frames`, 16] up to the end of speech, the frame that ends it excluded."""
    config, talker = model.config, model.talker
    length = len(prompt.prefix)
    kv = KvArena.empty(config, 2, length + frames + 1, model.device, model.dtype)
    slots = torch.tensor([1])
    talker.prefill(prompt.prefix, kv, 1, 0)
    feedback, codes = prompt.feedback[None], torch.zeros(0, 16, dtype=torch.int64)
    for frame in range(frames):
        text = prompt.text[frame] if frame < len(prompt.text) else model.pad_row
        place = torch.tensor([length + frame])
        h = talker.step(feedback + text, kv, slots, place, length + frame + 1)
        logits = banned(model, talker.logits(h), codes[:, 0], sampling)
        first = logits.argmax(-1)
        if first == config.ids.codec_eos:
            break
        said, feedback = model.predictor.frame(h, first, lambda logits, group: logits.argmax(-1))
        codes = torch.cat((codes, said))
    return codes


def banned(model: Model, logits: Tensor, said: Tensor, sampling: Sampling) -> Tensor:
    """Logits [1, vocab] with the penalty on what was said, and without what must not be."""
    end = model.config.ids.codec_eos
    logits = logits.clone()
    for code in set(said.tolist()):
        factor = sampling.repetition_penalty
        logits[0, code] *= 1 / factor if logits[0, code] > 0 else factor
    kept = logits[0, end].clone() if len(said) >= 2 else torch.tensor(-torch.inf)
    logits[0, -CONTROL:] = -torch.inf
    logits[0, end] = kept
    return logits
