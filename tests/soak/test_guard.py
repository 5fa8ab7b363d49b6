"""10,000 files that a fuzzer has been at, through one decoder."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter

import numpy as np
import pytest

from streamer.errors import InvalidMedia
from streamer.guard import Guard
from tests.media_files import encoded, flac_of_silence, mutations, sine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

FILES = 10_000


@pytest.mark.asyncio
async def test_10000_mutated_files_cost_little_and_leave_nothing() -> None:
    guard = Guard()
    plain = encoded("wav", sine(0.1))
    await guard.decode(plain)
    descriptors = len(os.listdir("/proc/self/fd"))
    files = mutations(FILES, 20261121, [flac_of_silence(1800)])
    tally: Counter[str] = Counter()
    slowest = 0.0

    async def client() -> None:
        nonlocal slowest
        for data in files:
            began = time.monotonic()
            try:
                samples = await guard.decode(data)
            except InvalidMedia as error:
                tally[error.message] += 1
            else:
                tally["sound"] += 1
                assert np.isfinite(samples).all()
                assert 0 < len(samples) <= 60 * 24_000
            slowest = max(slowest, time.monotonic() - began)

    await asyncio.gather(*(client() for _ in range(guard.limits.concurrency)))
    print(f"{tally}, slowest {slowest:.2f} s, peak {guard.peak_bytes >> 20} MB")
    assert tally.total() == FILES
    assert FILES / 5 < tally["sound"] < FILES * 4 / 5, "it is neither all good nor all nonsense"
    assert slowest < 10
    assert guard.peak_bytes < 1 << 30
    assert len(await guard.decode(plain)) == 2400
    assert len(os.listdir("/proc/self/fd")) == descriptors
    await guard.aclose()
