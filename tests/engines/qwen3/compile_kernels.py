"""Compiles every kernel for a Hopper GPU, as the published sizes call it. Needs no GPU, and must not be
interpreted: run in a process of its own, `python -m tests.engines.qwen3.compile_kernels`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from streamer.engines.qwen3 import codec_kernels, kernels

WARP = 32
TYPES = {
    **dict.fromkeys(("eps", "scale", "temperature"), "fp32"),
    **dict.fromkeys(("cos", "sin", "alpha", "beta", "sums", "highest", "parts"), "*fp32"),
    **dict.fromkeys(("logits", "bias"), "*fp32"),
    **dict.fromkeys(("slots", "positions", "ids"), "*i64"),
    **dict.fromkeys(("steps", "frames", "size", "slot_stride"), "i32"),
    "uniform": "*fp64",
}
"""Of arguments by name; all others are bfloat16."""

MATRICES = (
    (0, 0, 1024, 2048),
    (0, 0, 3072, 1024),
    (1, 0, 4096, 1024),
    (1, 1, 6144, 1024),
    (1, 1, 12288, 2048),
    (2, 0, 1024, 3072),
    (2, 0, 2048, 6144),
)
"""Kind, whether something is added, outputs, inputs."""


def calls() -> Iterator[tuple[Any, dict[str, int], dict[str, str], int]]:
    """Kernel, constants, other types, warps."""
    wide = {"weight": "*fp32", "out": "*fp32"}
    for width in (1024, 2048):
        for norm in (kernels.rms_norm, kernels.add_rms_norm):
            yield norm, {"WIDTH": width, "BLOCK": width}, {}, width // 256
    yield kernels.swiglu, {"WIDTH": 3072, "BLOCK": 1024}, {}, 4
    for capacity, block, splits in ((1024, 64, 1), (1024, 64, 4), (17, 32, 1)):
        heads = {"HEADS": 16, "KV": 8, "CAPACITY": capacity, "HALF": 64}
        yield kernels.rotate_and_store, heads, {}, 1
        sizes = {"KV": 8, "GROUP": 2, "CAPACITY": capacity, "D": 128}
        out = "*bf16" if splits == 1 else "*fp32"
        given = dict.fromkeys(("out", "sums", "highest"), out)
        yield kernels.attend, {**sizes, "BLOCK": block, "SPLITS": splits}, given, 4
    for number, (kind, adds, many, width) in enumerate(MATRICES):
        block = 4 if many <= 1024 else 16
        sizes = {"N": many, "K": width, "BLOCK_N": block, "BLOCK_K": 8192 // block}
        ways = {"KIND": kind, "ADDS": adds, "BIASED": number % 2}
        yield kernels.matvec, sizes | ways, {}, 4
    yield kernels.combine, {"D": 128, "SPLITS": 4}, {}, 1
    for width, block, top_k in ((2048, 2048, 50), (3072, 4096, 50), (2048, 2048, 0)):
        for logits in ("*fp32", "*bf16"):
            sizes = {"WIDTH": width, "BLOCK": block, "TOP_K": top_k}
            yield kernels.pick, sizes, {"logits": logits}, 8
    yield codec_kernels.snake, {"C": 1536, "BLOCK": 1024}, {}, 4
    for past, rows, width in ((54, 64, 96), (18, 32, 384), (1, 1, 1536), (6, 8, 1024)):
        for snake in (0, 1):
            sizes = {"PAST": past, "ROWS": rows, "C": width, "BLOCK": 1024, "SNAKE": snake}
            yield codec_kernels.carry, {**sizes, "CHANNELS": max(16, min(128, 2048 // rows))}, {}, 4
    # An argument that is 1 is a constant to the compiler.
    sizes = {"PAST": 6, "ROWS": 8, "C": 1024, "CHANNELS": 128, "BLOCK": 1024, "SNAKE": 1}
    yield codec_kernels.carry, sizes | {"steps": 1}, {}, 4
    last = {"C": 96, "CHANNELS": 128, "TAPS": 7, "BLOCK": 32}
    yield codec_kernels.to_sound, last, wide, 4
    ring = {"RING": 88, "SPAN": 72, "HEADS": 16, "D": 64}
    padded = {"T": 16, "PLACES": 128, "HALVES": 32, "WIDTH": 64}
    yield codec_kernels.attend_window, ring | padded, {}, 4
    yield codec_kernels.attend_window, ring | padded | {"frames": 1}, {}, 4


def main() -> None:
    for kernel, constants, given, warps in calls():
        types = {
            name: "constexpr" if name in constants else given.get(name, TYPES.get(name, "*bf16"))
            for name in kernel.arg_names
        }
        places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        aligned = {
            (place,): [["tt.divisibility", 16]]
            for place, name in enumerate(kernel.arg_names)
            if types[name].startswith("*") or name in ("slot_stride", "size")
        }
        source = ASTSource(kernel, types, places, aligned)
        made = compile(source, GPUTarget("cuda", 90, WARP), {"num_warps": warps})
        spilled = made.asm["ptx"].count(".local")
        sys.stdout.write(f"{kernel.__name__} {len(made.asm['cubin'])} {spilled}\n")


if __name__ == "__main__":
    main()
