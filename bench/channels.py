"""What does one more listener of a channel cost, and how far is it behind the publisher's own packets?

One context of tones is published; first one listener of each format hears it, then 500 do, in three formats
over HTTP, while 20 more read nothing. All that read are held to the first of their format, byte by byte.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect

from bench._common import arguments, machine, percentile, report
from tests.robustness.crowd import KINDS, RATE, Ear, Lag, Published, lag, listen, stuck
from tests.server_process import ServerProcess, running_server

WORD_S = 0.3
LISTENERS = 500
STUCK = 20
LATE = 12
"""Who join after a while, each further back than the one before."""
RAMP_S = 5.0
LINGER_S = 3.0
CUT_S = 25.0
"""Stuck listeners are cut by then: what buffers hold for them, and `send_timeout_s`."""
HEADER = struct.Struct(">BBHIqI")
FLAGS = ["--max-connections", "4000", "--channel-linger-s", str(LINGER_S)]


@dataclass
class Run:
    """What was seen of one channel."""

    ears: list[Ear] = field(default_factory=list)
    first: dict[str, Ear] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    published: Published = field(default_factory=Published)
    asked: int = 0
    """Listeners but for those who join late."""
    full_at: float = 0.0
    """When the last of the listeners was there."""

    @property
    def exact(self) -> int:
        """How many heard, to its end, what the first of their format did."""
        return sum(ear.exact() for ear in self.ears)

    def lag(self, kind: str) -> Lag:
        """Of those who asked for nothing special, and so have a second in hand."""
        ears = [ear for ear in self.ears[: self.asked] if ear.kind == kind]
        return lag(self.first[kind], ears, self.full_at + 1.0, self.published)


async def publish(socket: ClientConnection, published: Published, words: int) -> int:
    """Speak on the channel, and note when its packets come; how many were spoken."""
    starts: dict[str, float] = {}
    streams: dict[int, str] = {}
    text = " ".join(["word"] * words) + "."
    await socket.send(json.dumps({"type": "start", "context": "a", "channel": "hall"}))
    ear = {"type": "subscribe", "context": "ear", "channel": "hall"}
    await socket.send(json.dumps(ear | {"timestamps": "none"}))
    await socket.send(json.dumps({"type": "text", "context": "a", "text": text}))
    await socket.send(json.dumps({"type": "end", "context": "a"}))
    loop = asyncio.get_running_loop()
    async for message in socket:
        if isinstance(message, bytes):
            _, _, stream, _, pts, duration = HEADER.unpack_from(message)
            if streams[stream] == "a":
                published.at.append(loop.time())
                published.seconds.append((pts + duration) / RATE)
            continue
        told = json.loads(message)
        if told["type"] == "started":
            streams[told["stream"]] = told["context"]
        elif told["type"] == "segment":
            starts.setdefault(told["context"], told["start_ms"] / 1000)
            published.offset = starts.get("ear", 0.0) - starts.get("a", 0.0)
        elif told["type"] == "done" and told["context"] == "ear":
            return len(text)
        elif told["type"] == "error":
            raise RuntimeError(str(told))
    raise RuntimeError("the publisher's socket was closed")


@asynccontextmanager
async def watched(server: ServerProcess, figures: dict[str, Any], name: str) -> AsyncIterator[None]:
    """Processor time of the server, as a part of a core, while the block lasts."""
    cpu, begun = server.cpu_seconds(), time.perf_counter()
    yield
    figures[name] = round((server.cpu_seconds() - cpu) / (time.perf_counter() - begun), 4)


async def measure(server: ServerProcess, listeners: int, seconds: int) -> Run:
    """All of it; `seconds` are those in which all listen."""
    run, loop = Run(asked=listeners), asyncio.get_running_loop()
    length = 10 + RAMP_S + 30 + CUT_S + seconds
    async with connect(server.websocket_url, compression=None, max_queue=None) as socket:
        speaking = asyncio.create_task(publish(socket, run.published, int(length / WORD_S)))
        try:
            await asyncio.sleep(2)
            for kind in KINDS:
                run.first[kind] = await listen(server.url, kind, back_ms=30000)
            run.ears += run.first.values()
            async with watched(server, run.figures, "cores_3"):
                await asyncio.sleep(8)
            for number in range(len(KINDS), listeners):
                kind = KINDS[number % len(KINDS)]
                run.ears.append(await listen(server.url, kind, run.first[kind]))
                if number % 10 == 0:
                    await asyncio.sleep(10 * RAMP_S / listeners)
            run.full_at = loop.time()
            async with watched(server, run.figures, "cores_all"):
                await asyncio.sleep(seconds)
            metrics = await asyncio.to_thread(server.metrics)
            await asyncio.sleep(max(0.0, run.full_at + 30 - loop.time()))
            run.figures["encoders"] = int(metrics["streamer_channel_encoders"]) - 1
            run.figures["listeners"] = int(metrics["streamer_channel_listeners"]) - 1
            run.figures["contexts"] = int(metrics["streamer_active_contexts"])
            for number in range(LATE):
                kind = KINDS[number % len(KINDS)]
                back_ms = 30000 * number / (LATE - 1)
                run.ears.append(await listen(server.url, kind, run.first[kind], back_ms))
            deaf = [await stuck(server.url, KINDS[n % len(KINDS)], 30000) for n in range(STUCK)]
            await asyncio.sleep(CUT_S)
            metrics = await asyncio.to_thread(server.metrics)
            run.figures["cut"] = int(metrics["streamer_channel_listeners_cut_total"])
            run.figures["characters_said"] = await speaking
            async with asyncio.timeout(30):
                await asyncio.gather(*(ear.over for ear in run.ears))
            metrics = await asyncio.to_thread(server.metrics)
            run.figures["characters"] = int(metrics["streamer_characters_total"])
            run.figures["audio_s"] = metrics["streamer_audio_seconds_total"]
            for one in deaf:
                one.close()
        finally:
            await asyncio.gather(*(ear.close() for ear in run.ears))
            speaking.cancel()
            with suppress(asyncio.CancelledError):
                await speaking
    return run


def judged(run: Run, listeners: int) -> dict[str, Any]:
    """The figures, and whether the targets are met."""
    rows = []
    for kind in KINDS:
        found = run.lag(kind)
        behind = [1000 * each for each in found.behind]
        rows.append(
            {
                "format": kind,
                "listeners": sum(ear.kind == kind for ear in run.ears),
                "lag_p50_ms": round(percentile(behind, 50), 1),
                "lag_p95_ms": round(percentile(behind, 95), 1),
                "ran_dry": found.dry,
            }
        )
    figures = run.figures
    more = figures["cores_all"] - figures["cores_3"]
    checks = {
        "one_synthesis": figures["contexts"] == 1
        and figures["characters"] == figures["characters_said"],
        "one_encoder_per_format": figures["encoders"] == len(KINDS),
        "no_packet_lost": run.exact == len(run.ears),
        "stuck_listeners_cut": figures["cut"] == STUCK,
        "nobody_else_noticed": not any(row["ran_dry"] for row in rows),
    }
    return {
        "formats": rows,
        "exact": f"{run.exact} of {len(run.ears)}",
        "cpu_percent_of_a_core_per_listener": round(100 * more / (listeners - len(KINDS)), 4),
        **figures,
        "checks": checks,
        "machine": machine("uvicorn", "av"),
        "met": all(checks.values()),
    }


def run(listeners: int = LISTENERS, seconds: int = 20) -> tuple[Run, dict[str, Any]]:
    client = time.process_time()
    begun = time.perf_counter()
    with running_server("tone", FLAGS) as server:
        found = uvloop.run(measure(server, listeners, seconds))
    result = judged(found, listeners)
    took = time.perf_counter() - begun
    result["client_cores"] = round((time.process_time() - client) / took, 2)
    return found, result


if __name__ == "__main__":
    chosen = arguments(__doc__, listeners=LISTENERS, seconds=20)
    report(run(chosen.listeners, chosen.seconds)[1], as_json=chosen.json)
