"""One checkpoint on its device, ready to speak: weights, prompts, tokenizer and runner."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from streamer.engines.qwen3.checkpoint import Checkpoint
from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.config import ModelConfig
from streamer.engines.qwen3.graphs import rows_for
from streamer.engines.qwen3.languages import NAMES, PRESETS
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.prompt import Prompt, Prompts
from streamer.engines.qwen3.runner import Runner, open_runner, ops_for
from streamer.engines.qwen3.tokenizer import Tokenizer
from streamer.errors import InvalidParameter


@dataclass(frozen=True)
class Machine:
    """What a `worker.Worker` works with. `name` is the checkpoint's."""

    name: str
    config: ModelConfig
    model: Model
    prompts: Prompts
    tokenizer: Tokenizer
    runner: Runner

    def works(self) -> bool:
        """Whether the device still computes. Waits for it. A fault in a kernel of CUDA's is that of all that
        comes after it, until the process ends (CUDA Runtime API, `cudaErrorAssert` and its like)."""
        try:
            return torch.ones(1, device=self.model.device).item() == 1.0
        except torch.OutOfMemoryError:
            return True
        except RuntimeError:
            return False


def device_of(setting: str) -> torch.device:
    """The setting `qwen3_device`. Raises `InvalidParameter` where there is no such device."""
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(setting)
        torch.empty(1, device=device)
    except Exception as error:  # torch has no class of its own for what it does not know
        raise InvalidParameter(
            f"qwen3_device: torch can't use {setting!r}: {error}", param="qwen3_device"
        ) from error
    return device


def dtype_of(device: torch.device) -> torch.dtype:
    """Of the model's weights: a CPU is no faster with less."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def open_machine(checkpoint: Checkpoint, slots: int, capacity: int, eager: bool) -> Machine:
    """Load it where the checkpoint was opened for, and warm it. Blocks. Raises `CheckpointInvalid`, and
    `InvalidParameter` for a capacity that its positions do not reach."""
    config = checkpoint.config
    if capacity > config.talker.positions:
        raise InvalidParameter(
            f"qwen3_capacity: {checkpoint.name} has {config.talker.positions} positions",
            param="qwen3_capacity",
        )
    device = checkpoint.device
    ops = ops_for(device, eager)
    model = Model(config, checkpoint.tensors, ops, rows_for(slots))
    # float16 is nearer to float32 than bfloat16 is, and the codec's numbers are small enough.
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    codec = Codec(checkpoint.codec_config.decoder, checkpoint.codec_tensors, ops, device, dtype)
    tokenizer = Tokenizer(checkpoint.tokenizer_files)
    prompts = Prompts(model, tokenizer)
    runner = open_runner(model, codec, checkpoint.sampling, slots, capacity, eager)
    machine = Machine(checkpoint.name, config, model, prompts, tokenizer, runner)
    warm(machine)
    return machine


def warm(machine: Machine) -> None:
    """Have the voices' prefixes in no language and in their own at hand, and have spoken once."""
    config, prompts, runner = machine.config, machine.prompts, machine.runner
    with torch.inference_mode(), runner.talking():
        openings: list[Prompt] = []
        for voice in config.speakers:
            own = NAMES.get(PRESETS[voice].primary, "") if voice in PRESETS else ""
            for language in ("auto", *({own} & set(config.languages))):
                openings.append(prompts.preset([], voice, language, more=True))
    runner.warm(openings)
    if not openings:
        return
    with torch.inference_mode():
        with runner.talking():
            ids = machine.tokenizer.body("Hi.")
            said = prompts.preset(ids, next(iter(config.speakers)))
        runner.begin(0, said, 0, 0)
        for _ in range(2):
            runner.step([0]).result()
        runner.decode([(0, 0)], 2).result()
        runner.free(0)
