"""How fast the embedded voice is by itself: alone, with many contexts at once, and beside an event loop.

e: from text to the first sound of a text alone. Then N contexts that start at once, on threads that
serve the smallest lead first and, for comparison, on as many processes, first come first served.
Last, how late a timer of the event loop is while all threads synthesise.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from bench._common import arguments, machine, median, percentile, report
from bench.texts import PARAGRAPH, SENTENCE
from streamer.config import Settings
from streamer.engines.base import Engine, open_engine
from streamer.engines.hibari import HEART, load_voice
from streamer.engines.hibari_speech import EmbeddedVoice, speak
from streamer.engines.workers import Workers
from streamer.types import Options, PcmChunk, Segment

TEXTS = (
    "Hello there, my friend.",
    "The first boats leave the harbour at dawn.",
    SENTENCE,
    PARAGRAPH[: PARAGRAPH.index(". ") + 1],
)
"""Of 4, 8, 10 and 25 words."""
CONTEXTS = (1, 4, 16)
SWITCH_MS = (5.0, 1.0, 0.1)
TICK_S = 0.002


async def one(text: str, options: Options) -> AsyncIterator[Segment]:
    yield Segment(0, text, 0, options)


async def times_ms(engine: Engine, text: str) -> tuple[float, float]:
    """From the call to the first chunk, and to the last."""
    begun = time.perf_counter()
    took = []
    segments = one(text, Options(engine.voices[0]))
    async for _ in engine.synthesize(segments, lambda: -math.inf):
        took.append((time.perf_counter() - begun) * 1000)
    return took[0], took[-1]


async def alone(engine: Engine, repeat: int) -> list[dict[str, Any]]:
    rows = []
    for text in TEXTS:
        await times_ms(engine, text)
        took = [await times_ms(engine, text) for _ in range(repeat)]
        rows.append(
            {
                "words": len(text.split()),
                "first_ms": round(median([first for first, _ in took]), 1),
                "whole_ms": round(median([whole for _, whole in took]), 1),
            }
        )
    return rows


async def together(engine: Engine, repeat: int) -> list[dict[str, Any]]:
    """Contexts that begin at once, each spoken to its end: the rest of one competes with the first sound
    of another, as in a server."""
    rows = []
    for contexts in CONTEXTS:
        took: list[float] = []
        for _ in range(repeat):
            runs = await asyncio.gather(*(times_ms(engine, SENTENCE) for _ in range(contexts)))
            took += [first for first, _ in runs]
        rows.append({"contexts": contexts, **_spread(took)})
    return rows


async def late_ms(work: Callable[[], Awaitable[object]]) -> list[float]:
    """How late a timer of this loop is while that work goes on."""
    late = []
    task = asyncio.ensure_future(work())
    while not task.done():
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        late.append((time.perf_counter() - due) * 1000)
    await task
    return late


async def beside_threads(workers: Workers, voice: EmbeddedVoice, repeat: int) -> dict[str, Any]:
    async def first() -> object:
        return await workers.run(_first_step, voice, lead=lambda: 0.0)

    async def whole() -> object:
        return await workers.run(_whole, voice, lead=lambda: 0.0)

    return await _compared("threads", first, whole, repeat)


async def beside_processes(pool: ProcessPoolExecutor, repeat: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()

    async def first() -> object:
        return await loop.run_in_executor(pool, _first_there)

    async def whole() -> object:
        return await loop.run_in_executor(pool, _whole_there)

    return await _compared("processes", first, whole, repeat)


async def _compared(
    name: str,
    first: Callable[[], Awaitable[object]],
    whole: Callable[[], Awaitable[object]],
    repeat: int,
) -> dict[str, Any]:
    """16 first steps at once, and the throughput and the loop's lateness over whole sentences."""
    took: list[float] = []

    async def timed() -> None:
        begun = time.perf_counter()
        await first()
        took.append((time.perf_counter() - begun) * 1000)

    for _ in range(repeat):
        await asyncio.gather(*(timed() for _ in range(max(CONTEXTS))))
    sentences = 16 * repeat
    begun = time.perf_counter()
    late = await late_ms(lambda: asyncio.gather(*(whole() for _ in range(sentences))))
    return {
        "workers": name,
        "switch_ms": sys.getswitchinterval() * 1000,
        "first_of_16_p50_ms": round(percentile(took, 50), 1),
        "sentences_per_s": round(sentences / (time.perf_counter() - begun), 1),
        "loop_late_p50_ms": round(percentile(late, 50), 2),
        "loop_late_p99_ms": round(percentile(late, 99), 2),
        "loop_late_worst_ms": round(max(late), 2),
    }


def _segment() -> Segment:
    return Segment(0, SENTENCE, 0, Options(HEART))


def _first_step(voice: EmbeddedVoice) -> PcmChunk:
    return next(speak(voice, _segment()))


def _whole(voice: EmbeddedVoice) -> list[PcmChunk]:
    return list(speak(voice, _segment()))


_here: list[EmbeddedVoice] = []
"""The voice of a worker process: there is no other way to hand it to its calls."""


def _load_here() -> None:
    _here.append(load_voice())
    _whole(_here[0])


def _first_there() -> PcmChunk:
    return _first_step(_here[0])


def _whole_there() -> list[PcmChunk]:
    return _whole(_here[0])


def _spread(took: list[float]) -> dict[str, float]:
    return {"p50_ms": round(percentile(took, 50), 1), "p95_ms": round(percentile(took, 95), 1)}


async def measure(repeat: int) -> dict[str, Any]:
    result: dict[str, Any] = {"bench": "engine", "machine": machine("onnxruntime", "hibari-tts")}
    engine = open_engine("hibari", Settings())
    result["alone"] = await alone(engine, repeat)
    result["together"] = await together(engine, repeat)
    await engine.aclose()

    voice, rows = load_voice(), []
    threads = os.cpu_count() or 1
    workers = Workers(threads, lambda: _whole(voice))
    for switch in SWITCH_MS:
        sys.setswitchinterval(switch / 1000)
        rows.append(await beside_threads(workers, voice, repeat))
    workers.close()
    sys.setswitchinterval(SWITCH_MS[0] / 1000)
    # Spawned: a fork of a process that has threads may hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(threads, spawn, _load_here) as pool:
        for _ in range(threads):
            await asyncio.gather(
                *(asyncio.wrap_future(pool.submit(_whole_there)) for _ in range(2 * threads))
            )
        rows.append(await beside_processes(pool, repeat))
    return {**result, "workers": rows}


def main() -> None:
    options = arguments(__doc__, repeat=15)
    report(asyncio.run(measure(options.repeat)), as_json=options.json)


if __name__ == "__main__":
    main()
