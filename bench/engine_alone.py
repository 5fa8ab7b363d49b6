"""The engine's own time for one segment, with nothing around it: reads texts, answers milliseconds.

Runs as a process of its own beside a server that idles: `{"text": ..., "times": n}` a line on
standard input, one line of JSON with n pairs of figures on standard output.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import IO

import numpy as np

from bench.hearing import AUDIBLE
from streamer.config import Settings
from streamer.engines.base import Engine, open_engine
from streamer.types import Options, Segment


async def times_ms(engine: Engine, text: str) -> tuple[float, float]:
    """From the call to the chunk that holds the first audible sample, and to the segment's last."""

    async def segments() -> AsyncIterator[Segment]:
        yield Segment(0, text, 0, Options(engine.voices[0]))

    begun = time.perf_counter()
    audible = whole = float("nan")
    async for chunk in engine.synthesize(segments(), lambda: float("-inf")):
        whole = (time.perf_counter() - begun) * 1000
        if audible != audible and np.abs(chunk.samples).max(initial=0.0) > AUDIBLE:
            audible = whole
    return audible, whole


class EngineAlone:
    """The other end: starts that process and asks it."""

    def __init__(self, engine: str) -> None:
        command = [sys.executable, "-m", "bench.engine_alone", engine]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.measure("Warm up, please.", 3)

    def measure(self, text: str, times: int) -> list[tuple[float, float]]:
        """Milliseconds to the first sound and to the last, one pair for each time."""
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        stdin.write(json.dumps({"text": text, "times": times}).encode() + b"\n")
        stdin.flush()
        return [(audible, whole) for audible, whole in json.loads(stdout.readline())]

    def close(self) -> None:
        _pipe(self._process.stdin).close()
        self._process.wait()
        _pipe(self._process.stdout).close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


async def _answer(engine: Engine) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        figures = [await times_ms(engine, asked["text"]) for _ in range(asked["times"])]
        print(json.dumps(figures), flush=True)
    await engine.aclose()


if __name__ == "__main__":
    asyncio.run(_answer(open_engine(sys.argv[1], Settings())))
