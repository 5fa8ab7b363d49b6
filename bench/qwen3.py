"""How fast does the engine qwen3 speak on this machine, and how far is that from what its memory allows?

Random weights of the published shapes, made on the device; nothing is downloaded, and torch, triton, numpy,
safetensors and tokenizers are all it needs. No sequence ends by itself, so every run is of the same frames.
Each run also asks whether what it measured is right. `--road` measures the whole server instead (its own
dependencies are needed then): WebSocket clients, Opus, until the first audible packet.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bench import _qwen3_checks as right
from bench import _qwen3_parts, _qwen3_steps
from bench._common import percentile, report
from bench._qwen3_device import Device, process_age_s
from bench._qwen3_engine import Opened, load, ready, same_codes
from bench._qwen3_roofline import Ceilings, codec, predictor, talker
from bench._qwen3_sockets import listeners

SIZES = ("0.6B", "1.7B", "tiny", "tiny17")
ROWS = (1, 4, 8, 16, 32, 64, 128)
SOCKETS = 64
START = 200
"""Positions behind which a measured sequence begins: with its frames, 300 in the middle (24 s)."""
FRAMES = 200
CAPACITY = 1024
"""Positions of a slot, as the setting `qwen3_capacity` has them."""
TARGETS = {
    "0.6B": {"first_packet_ms": 8.0, "frame_ms": 3.0},
    "1.7B": {"first_packet_ms": 10.0, "frame_ms": 3.5},
}
"""On an H200, at most."""
TARGETS_OF_BOTH = {"step_of_64_ms": 8.0, "audio_s_per_s_of_64": 640.0, "startup_s": 20.0}
ENOUGH_S = 400.0
"""After so long no further part is begun; what was left out is said."""


class Clock:
    """Seconds by part, and whether there is time for another."""

    def __init__(self) -> None:
        self.took: dict[str, float] = {"imports": round(process_age_s(), 2)}
        self.left_out: list[str] = []

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        print(f"{process_age_s():6.1f} s  {name}", file=sys.stderr, flush=True)
        yield
        self.took[name] = round(time.perf_counter() - begun, 2)

    def allows(self, name: str) -> bool:
        if process_age_s() < ENOUGH_S:
            return True
        self.left_out.append(name)
        return False


def measure(options: argparse.Namespace) -> dict[str, Any]:
    clock = Clock()
    rows = sorted(set(options.rows))
    with clock.part("device"):
        device = Device(options.device)
        ceilings = device.ceilings(torch.bfloat16 if device.cuda else torch.float32)
    with clock.part("weights"):
        before = device.allocated()
        world = load(options.size, device, max(rows))
        device.wait()
        weights = device.allocated() - before
    with clock.part("graphs"):
        capacity = options.start + options.frames + 8
        opened = ready(world, max(rows), max(capacity, CAPACITY if device.cuda else 0))
        device.wait()
    # The bandwidth is this bench's business, not a start's.
    startup = sum(clock.took[name] for name in ("imports", "weights", "graphs"))
    result: dict[str, Any] = {
        "bench": "qwen3",
        "size": options.size,
        "hardware": device.hardware,
        **opened.about,
        "ceilings": {
            "copy_gb_per_s": round(ceilings.bytes_per_s / 1e9, 1),
            "matmul_tflop_per_s": round(ceilings.flop_per_s / 1e12, 2),
        },
        "floors": floors(opened, options.start, ceilings),
        "startup_s": round(startup, 2),
        "memory": {"weights_gb": round(weights / 1e9, 2), **device.memory()},
    }
    with clock.part("first packet"):
        first = _qwen3_steps.first_packet(opened.runner, opened.world, options.repeats)
        result |= first.row
    result["steps"] = []
    for count in rows:
        if clock.allows(f"steps of {count}"):
            with clock.part(f"steps of {count}"):
                result["steps"].append(steps(opened, count, options, ceilings))
    if options.sockets and clock.allows("sockets"):
        with clock.part("sockets"):
            result["beside_sockets"] = beside_sockets(opened, options)
    result["checks"] = []
    if options.checks and clock.allows("checks"):
        with clock.part("checks"):
            wide = torch.float32 if device.cuda else torch.float64
            result["checks"] = [*same_codes(opened), *right.checks(opened.world, wide)]
    if options.parts and clock.allows("parts"):
        with clock.part("parts"):
            result["parts"] = [
                row
                for count in sorted({rows[0], min(64, rows[-1])})
                for row in _qwen3_parts.parts(opened.world, count, options.start, ceilings)
            ]
            result["choices"] = _qwen3_parts.choices(opened.world, options.start)
    if options.profile and clock.allows("profile"):
        with clock.part("profile"):
            result["kernels"] = _qwen3_parts.kernels(opened.world, rows[0], options.start)
    result["memory"] |= {key: value for key, value in device.memory().items() if "most" in key}
    result["took_s"] = {**clock.took, "all": round(process_age_s(), 1)}
    result["left_out"] = clock.left_out
    result["targets"] = targets(result)
    result["met"] = all(row["met"] for row in result["targets"] + result["checks"])
    return result


def steps(
    opened: Opened, rows: int, options: argparse.Namespace, ceilings: Ceilings
) -> dict[str, Any]:
    return _qwen3_steps.measure(
        opened.runner, opened.world, rows, options.frames, options.start, ceilings
    )


def floors(opened: Opened, start: int, ceilings: Ceilings) -> list[dict[str, Any]]:
    """What each part of one stream's frame comes to at least."""
    world = opened.world
    width, cache = world.dtype.itemsize, world.device.cache
    parts = {
        "talker": talker(world.config, 1, start, width),
        "predictor": predictor(world.config, 1, width, cache),
        "codec, 1 frame": codec(world.decoder, 1, 1, world.codec.dtype.itemsize),
    }
    return [
        {
            "part": name,
            "mb": round(work.bytes / 1e6, 2),
            "gflop": round(work.flop / 1e9, 3),
            "floor_ms": round(work.floor_ms(ceilings), 4),
        }
        for name, work in parts.items()
    ]


def beside_sockets(opened: Opened, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The gaps between steps of the most rows up to 64, without and with live sockets."""
    rows = min(SOCKETS, max(options.rows))

    def row(sockets: int) -> dict[str, Any]:
        run = _qwen3_steps.run(
            opened.runner, opened.world, rows, options.frames, options.start, sound=True
        )
        return {
            "sockets": sockets,
            "rows": rows,
            "p50_ms": round(percentile(run.gaps_ms, 50), 2),
            "p99_ms": round(percentile(run.gaps_ms, 99), 2),
            "worst_ms": round(max(run.gaps_ms), 2),
        }

    alone = row(0)
    with listeners(SOCKETS):
        return [alone, row(SOCKETS)]


def targets(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Targets beside figures; none for a size or a device that has none."""
    limits = TARGETS.get(result["size"])
    if limits is None or result["hardware"]["device"].startswith("cpu"):
        return []
    by_rows = {row["rows"]: row for row in result["steps"]}
    one, many = by_rows.get(1, {}), by_rows.get(64, {})
    figures = {
        "first_packet_ms": result["first_packet_ms"],
        "frame_ms": one.get("with_sound_ms"),
        "step_of_64_ms": many.get("with_sound_ms"),
        "audio_s_per_s_of_64": many.get("audio_s_per_s"),
        "startup_s": result["startup_s"],
    }
    return [
        {
            "what": name,
            "measured": figures[name],
            "target": limit,
            "met": _reaches(name, figures[name], limit),
        }
        for name, limit in {**limits, **TARGETS_OF_BOTH}.items()
    ]


def _reaches(name: str, figure: float | None, limit: float) -> bool:
    if figure is None:
        return False
    return figure >= limit if "per_s" in name else figure <= limit


def chosen(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object; the table on stderr")
    parser.add_argument("--size", choices=SIZES, default="0.6B")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, nargs="+", help="sequences of a step")
    parser.add_argument("--frames", type=int, help="frames of each run")
    parser.add_argument("--start", type=int, help="positions before them")
    parser.add_argument("--repeats", type=int, help="first packets")
    parser.add_argument("--profile", action="store_true", help="kernel by kernel, too")
    parser.add_argument("--road", action="store_true", help="the whole server, over WebSockets")
    for part in ("checks", "parts", "sockets"):
        parser.add_argument(f"--no-{part}", dest=part, action="store_false")
    options = parser.parse_args(arguments)
    gpu = options.device == "cuda"
    tiny = options.size.startswith("tiny")
    options.checks = options.checks and (gpu or tiny)  # else there is no room for three models
    options.rows = options.rows or (ROWS if gpu else (1, 4, 64) if tiny else (1, 4))
    options.frames = options.frames or (FRAMES if gpu else 24 if tiny else 8)
    options.start = options.start or (START if gpu else 32)
    options.repeats = options.repeats or (40 if gpu else 10 if tiny else 3)
    return options


def short(result: dict[str, Any]) -> None:
    """What matters, in a few lines."""
    where = result["hardware"]["device"]
    print(f"\nqwen3 {result['size']} on {where}")
    keys = ("startup_s", "first_packet_ms", "first_packet_p95_ms", "first_packet_of_a_new_voice_ms")
    table = {key: result[key] for key in keys} | {"memory": result["memory"]}
    tables = ("steps", "beside_sockets", "parts", "choices", "checks", "targets")
    table |= {key: result[key] for key in tables if result.get(key)}
    report(table | {"left_out": result["left_out"], "met": result["met"]}, as_json=False)


def main() -> None:
    options = chosen()
    if options.road:
        from bench._qwen3_road import measure as the_whole_road

        report(the_whole_road(options), as_json=options.json)
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device here: --device cpu --size tiny shows what a CPU can")
    torch.backends.cudnn.allow_tf32 = False  # float32 references are to be that
    result = measure(options)
    if options.json:
        report(result)
        sys.stdout.flush()
    with contextlib.redirect_stdout(sys.stderr if options.json else sys.stdout):
        short(result)


if __name__ == "__main__":
    main()
