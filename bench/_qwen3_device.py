"""A device as torch knows it: its name, a clock that waits for it, and how fast it moves and multiplies."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from bench._common import machine, median
from bench._qwen3_roofline import Ceilings


class Device:
    """`kind` is "cuda" or "cpu"."""

    def __init__(self, kind: str) -> None:
        self.torch = torch.device(kind)
        self.cuda = kind == "cuda"
        if self.cuda:
            torch.cuda.init()  # type: ignore[no-untyped-call]

    @property
    def hardware(self) -> dict[str, Any]:
        """What it ran on, and with what."""
        about = machine("torch", "triton", "numpy")
        if not self.cuda:
            return {"device": "cpu, not a GPU", "threads": torch.get_num_threads(), **about}
        is_ = torch.cuda.get_device_properties(self.torch)
        return {
            "device": is_.name,
            "memory_gb": round(is_.total_memory / 1e9, 1),
            "multiprocessors": is_.multi_processor_count,
            "capability": f"{is_.major}.{is_.minor}",
            "l2_mb": round(self.cache / 1e6, 1),
            "cuda": torch.version.cuda,
            "fused": find_spec("triton") is not None,
            **about,
        }

    @property
    def cache(self) -> int:
        """Bytes of the last cache before memory; 0 where it isn't known."""
        if not self.cuda:
            return 0
        return int(getattr(torch.cuda.get_device_properties(self.torch), "L2_cache_size", 0))

    def wait(self) -> None:
        """Until all that was asked of it is done."""
        if self.cuda:
            torch.cuda.synchronize(self.torch)

    def memory(self) -> dict[str, float]:
        """GB: tensors now and at most, and what the process took of the device; of a CPU, the process's."""
        if not self.cuda:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return {"process_gb": round(_resident() / 1e9, 2), "at_most_gb": round(most / 1e9, 2)}
        free, total = torch.cuda.mem_get_info(self.torch)
        return {
            "tensors_gb": round(torch.cuda.memory_allocated(self.torch) / 1e9, 2),
            "at_most_gb": round(torch.cuda.max_memory_allocated(self.torch) / 1e9, 2),
            "device_gb": round((total - free) / 1e9, 2),
        }

    def allocated(self) -> int:
        """Bytes of tensors now; on a CPU those of the process."""
        return torch.cuda.memory_allocated(self.torch) if self.cuda else _resident()

    def timed(self, call: Callable[[], object], repeats: int) -> float:
        """Median milliseconds of a call, on the device's own clock where it has one. Warmed up."""
        for _ in range(3 if self.cuda else 1):
            call()
        self.wait()
        return median([self._once(call) for _ in range(repeats)])

    def _once(self, call: Callable[[], object]) -> float:
        if not self.cuda:
            begun = time.perf_counter()
            call()
            return (time.perf_counter() - begun) * 1000
        before, after = _event(), _event()
        before.record()
        call()
        after.record()
        after.synchronize()
        return float(before.elapsed_time(after))

    def ceilings(self, dtype: torch.dtype) -> Ceilings:
        """Measured: a large copy, bytes read and written, and a large product of matrices, both of random
        numbers (zeros are faster)."""
        length, side = (2**29, 8192) if self.cuda else (2**24, 1024)
        source = torch.empty(length, device=self.torch, dtype=torch.bfloat16).uniform_(-1, 1)
        target = torch.empty_like(source)
        ms = self.timed(partial(target.copy_, source), 15)
        bandwidth = 2 * source.nbytes / ms * 1000
        del source, target
        a, b = (
            torch.empty(side, side, device=self.torch, dtype=dtype).uniform_(-1, 1)
            for _ in range(2)
        )
        out = torch.empty_like(a)
        ms = self.timed(lambda: torch.mm(a, b, out=out), 15)
        return Ceilings(bandwidth, 2 * side**3 / ms * 1000)

    def graph(self, call: Callable[[], object]) -> Callable[[], object]:
        """The same call as one launch, where the device can; `call` must leave all it needs in place."""
        if not self.cuda:
            return call
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph.replay


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def cosine(one: Tensor, other: Tensor) -> float:
    """Of all numbers together, in float64."""
    a, b = one.double().flatten().cpu(), other.double().flatten().cpu()
    return float(torch.dot(a, b) / (a.norm() * b.norm()).clamp(min=1e-300))


def snr_db(sound: Tensor, wanted: Tensor) -> float:
    """Of a sound against the one wanted; at most 200."""
    exact = wanted.double().cpu()
    noise = (sound.double().cpu() - exact).square().sum()
    power = exact.square().sum()
    return float(10 * torch.log10(power / noise.clamp(min=1e-20 * float(power) + 1e-300)))


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as status:
        return int(status.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def process_age_s() -> float:
    """Seconds since this process was started, interpreter and imports included."""
    return _AGE_WHEN_IMPORTED + time.perf_counter() - _IMPORTED


def _age() -> float:
    with open("/proc/self/stat", encoding="ascii") as status:
        begun = int(status.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - begun
    # Some sandboxes tell neither.
    return age if 0 <= age < 300 else 0.0


_IMPORTED, _AGE_WHEN_IMPORTED = time.perf_counter(), _age()
