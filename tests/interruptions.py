"""Barge-in again and again: what was heard, what was not, and that nothing comes afterwards."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from bench.wire import Record, Wire

TEXT = (
    "I had a look at your order, it left our house on Monday. The parcel is in the city by now."
    " Most likely it will be with you tomorrow before noon. Is there anything else, or was that all?"
)
ANSWER_S = 10.0


def faults_of_interruption(record: Record, played_ms: float) -> list[str]:
    """What is wrong with an `interrupted`; the words heard must be right to a word."""
    ending, faults = record.ending, []
    if ending.get("type") != "interrupted":
        return [f"{record.context} ended by {ending}"]
    if ending["heard_text"] + ending["unspoken_text"] != TEXT:
        faults.append(f"heard and unspoken text are not the text: {ending}")
    heard = [word["text"] for word in ending["heard_words"]]
    expected = [word["text"] for word in record.words if word["end_ms"] <= played_ms]
    if heard != expected:
        faults.append(f"heard {heard}, not {expected}, at {played_ms} ms")
    if heard and not ending["heard_text"].rstrip(" ,.?").endswith(heard[-1]):
        faults.append(f"{ending['heard_text']!r} does not end with {heard[-1]!r}")
    return faults


async def interrupt_quickly(wire: Wire, times: int, seed: int) -> list[str]:
    """Start, hear a little (or nothing), interrupt; all that was wrong. Every fifth is a `cancel`."""
    rng = random.Random(seed)
    faults: list[str] = []
    records = []
    for number in range(times):
        record = await wire.speak(TEXT, end=bool(number % 2), audio=rng.choice(_FORMATS))
        records.append(record)
        async with asyncio.timeout(ANSWER_S):
            await record.until(rng.choice(_MOMENTS))
            if number % 5 == 4:
                await wire.send("cancel", context=record.context)
                await record.until("end")
                if record.ending.get("reason") != "cancelled":
                    faults.append(f"cancel was answered by {record.ending}")
                continue
            played_ms = (
                round(rng.uniform(0, max(0.0, record.received * 1000)), 3)
                if record.started
                else 0.0
            )
            await wire.send("interrupt", context=record.context, played_ms=played_ms)
            await record.until("end")
        faults += faults_of_interruption(record, played_ms)
    await asyncio.sleep(0.5)
    faults += [f"{record.context}: {record.late[:2]}" for record in records if record.late]
    faults += [str(error) for error in wire.errors]
    return faults


_MOMENTS: list[str | float] = [0.0, "sound", 0.3, 0.8]
_FORMATS: list[dict[str, Any]] = [{"codec": "opus"}, {"codec": "mp3"}, {"codec": "pcm_s16le"}]
