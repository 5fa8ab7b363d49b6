"""What does a frame of the Qwen3 codec cost, early and late in a stream, and how near are its roundings?

Random weights of the published sizes, eager kernels, on a GPU if there is one (there also as CUDA graphs).
`frame_ms` is the wait for a call by its frames. SNR in dB: of a call by frames of 1, and of the ramp 1, 2,
4, 8, 12, against calls of 16 of the same type; and of the type against float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench._common import arguments, machine, median, report
from streamer.engines.qwen3.codec import Codec
from streamer.engines.qwen3.codec_config import DecoderConfig
from streamer.engines.qwen3.codec_shapes import decoder_shapes
from streamer.engines.qwen3.codec_state import CodecState
from streamer.engines.qwen3.eager import Eager
from streamer.engines.qwen3.random_weights import random_tensors

CONFIG = DecoderConfig()
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CHUNKS = (1, 2, 4, 8, 12)
SEED = 1
HEARD = 48
"""Frames compared for the SNR: few, since float32 on a CPU takes 0.2 s for each."""


def weights(device: torch.device) -> dict[str, Tensor]:
    tensors = random_tensors(decoder_shapes(CONFIG), SEED, device, torch.float32)
    for name, tensor in tensors.items():
        if ".conv2." in name:
            tensor.mul_(0.4)  # residuals that do not grow from unit to unit
    tensors["decoder.decoder.6.conv.weight"].mul_(0.2)  # within -1..1
    return tensors


def drawn(rows: int, frames: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(0, CONFIG.entries, (rows, CONFIG.books, frames), generator=generator).to(
        device
    )


def chunks(frames: int, ramp: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Begins and ends; the last of the ramp repeats."""
    start = 0
    for count in range(frames):
        if start >= frames:
            return
        end = min(frames, start + ramp[min(count, len(ramp) - 1)])
        yield start, end
        start = end


def heard(codec: Codec, codes: Tensor, ramp: Sequence[int]) -> Tensor:
    state, slots = codec.state(1), torch.tensor([0], device=codes.device)
    parts = [codec.decode(codes[:, :, a:b], state, slots) for a, b in chunks(codes.shape[2], ramp)]
    return torch.cat(parts, 1).double().cpu()


def snr(sound: Tensor, wanted: Tensor) -> float:
    noise = float((sound - wanted).square().sum())
    exact = 1e-20 * float(wanted.square().sum())  # 200 dB
    return round(float(10 * torch.log10(wanted.square().sum() / max(noise, exact))), 1)


def timed(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median milliseconds of a call and the wait for it."""
    taken = []
    for _ in range(repeats + 2):
        begun = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append((time.perf_counter() - begun) * 1000)
    return median(taken[2:])


def graphed(codec: Codec, codes: Tensor, state: CodecState, slots: Tensor) -> Callable[[], None]:
    """The same call as a CUDA graph."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            codec.decode(codes, state, slots)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        codec.decode(codes, state, slots)
    return graph.replay


def costs(codec: Codec, name: str, rows: int, repeats: int) -> list[dict[str, Any]]:
    device, found = codec.device, []
    for frames in CHUNKS:
        state, codes = codec.state(rows), drawn(rows, frames, device)
        slots = torch.arange(rows, device=device)
        row: dict[str, Any] = {"type": name, "rows": rows, "frames": frames}
        row["call_ms"] = timed(partial(codec.decode, codes, state, slots), device, repeats)
        row["frame_ms"] = row["call_ms"] / frames
        if device.type == "cuda":
            row["graph_ms"] = timed(graphed(codec, codes, state, slots), device, repeats)
        found.append(row)
    return found


def flat(codec: Codec, repeats: int) -> list[dict[str, Any]]:
    """Calls of 8 frames at the beginning of a stream, and further and further on."""
    state, slots = codec.state(1), torch.tensor([0], device=codec.device)
    codes, found = drawn(1, 8, codec.device), []
    for position in (0, 80, 500, 1000, 4000):
        state.positions.fill_(position)
        with FlopCounterMode(display=False) as counter:
            codec.decode(codes, state, slots)
        ms = timed(partial(codec.decode, codes, state, slots), codec.device, repeats)
        gflop = counter.get_total_flops() / 8e9
        found.append({"frame": position, "frame_ms": ms / 8, "gflop_per_frame": gflop})
    return found


def run(rows: int, repeats: int) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.allow_tf32 = False
    tensors, codes = weights(device), drawn(1, HEARD, device)
    wanted, sounds, table = None, [], []
    result: dict[str, Any] = {}
    for name, dtype in TYPES.items():
        codec = Codec(CONFIG, tensors, Eager(), device, dtype)
        whole = heard(codec, codes, (16,))
        wanted = whole if wanted is None else wanted
        sounds.append(
            {
                "type": name,
                "against_float32": snr(whole, wanted),
                "by_ones": snr(heard(codec, codes, (1,)), whole),
                "by_ramp": snr(heard(codec, codes, CHUNKS), whole),
                "loudness": float(whole.square().mean().sqrt()),
            }
        )
        if name != "float32" or device.type == "cuda":
            table += costs(codec, name, 1, repeats)
            table += costs(codec, name, rows, repeats) if rows > 1 else []
        if name == "bfloat16":
            result["along_a_stream"] = flat(codec, repeats)
            result["state_bytes_per_stream"] = codec.state(0).flat.nbytes
    where = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"{torch.get_num_threads()} threads"
    )
    return {
        "machine": machine("torch"),
        "device": where,
        **result,
        "calls": table,
        "snr_db": sounds,
    }


if __name__ == "__main__":
    chosen = arguments(__doc__, rows=1, repeats=5)
    report(run(chosen.rows, chosen.repeats), as_json=chosen.json)
