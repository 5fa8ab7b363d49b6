"""Measures of a whole sound: how loud it is, and where it begins and ends."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter
import numpy as np

from streamer.types import Samples

_BLOCK_S = 0.4  # BS.1770's gating block: nothing shorter has a loudness.


def loudness(samples: Samples, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, by FFmpeg's `ebur128`); -inf for silence.

    A sound shorter than two blocks, 0.8 s, is measured as if it were repeated.
    """
    block = round(_BLOCK_S * sample_rate)
    if not len(samples):
        return -np.inf
    if len(samples) < 2 * block:
        samples = np.tile(samples, -(-2 * block // len(samples)))
    graph = av.filter.Graph()
    base = Fraction(1, sample_rate)
    source = graph.add_abuffer(sample_rate=sample_rate, format="flt", layout="mono", time_base=base)
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame("flt", "mono", len(samples))
    frame.planes[0].update(samples.astype(np.float32, copy=False).tobytes())
    frame.sample_rate, frame.time_base, frame.pts = sample_rate, base, 0
    graph.push(frame)
    graph.push(None)
    lufs = -70.0
    while True:
        try:
            lufs = float(graph.pull().metadata.get("lavfi.r128.I", lufs))
        except (av.EOFError, av.BlockingIOError):
            # -70 is the absolute gate: nothing came over it.
            return lufs if lufs > -70 else -np.inf


def trim(
    samples: Samples, sample_rate: int, threshold_db: float = -50.0, keep_ms: float = 10.0
) -> tuple[int, int]:
    """The first sample to keep and the one after the last: from `keep_ms` before the first sample over
    `threshold_db` (dBFS) to as much after the last one. (0, 0) if there is none."""
    loud = np.flatnonzero(np.abs(samples) > 10 ** (threshold_db / 20))
    if not len(loud):
        return 0, 0
    keep = round(keep_ms * sample_rate / 1000)
    return max(0, int(loud[0]) - keep), min(len(samples), int(loud[-1]) + 1 + keep)
