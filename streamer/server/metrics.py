"""What the server counts, as plain figures, and how Prometheus reads them.

Whoever counts knows only `Counters`; only `render` knows the Prometheus client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST

BUCKETS_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Finest around the time a listener begins to notice, a tenth of a second."""


@dataclass(slots=True)
class Histogram:
    """Seconds, counted per bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        bounds = [*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"]
        running, rows = 0, []
        for bound, count in zip(bounds, self.counts, strict=True):
            running += count
            rows.append((bound, float(running)))
        return rows


@dataclass(slots=True)
class Counters:
    """All figures of one server since it started; `active_contexts` and `connections` are of now."""

    connections: int = 0
    active_contexts: int = 0
    contexts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    audio_seconds: float = 0.0
    underruns: int = 0
    listener_underruns: int = 0
    first_audio: Histogram = field(default_factory=Histogram)
    first_sound: Histogram = field(default_factory=Histogram)


class _Collector:
    """The counters in Prometheus' words."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        c = self._counters
        yield GaugeMetricFamily("streamer_connections", "Open WebSockets.", c.connections)
        yield GaugeMetricFamily(
            "streamer_active_contexts", "Contexts and HTTP utterances in work.", c.active_contexts
        )
        contexts = CounterMetricFamily(
            "streamer_contexts", "Contexts that ended, by how.", labels=["outcome"]
        )
        for outcome, count in sorted(c.contexts.items()):
            contexts.add_metric([outcome], count)
        yield contexts
        errors = CounterMetricFamily(
            "streamer_errors", "Errors told to clients, by code.", labels=["code"]
        )
        for code, count in sorted(c.errors.items()):
            errors.add_metric([code], count)
        yield errors
        yield CounterMetricFamily("streamer_characters", "Characters spoken.", c.characters)
        yield CounterMetricFamily("streamer_audio_seconds", "Sound spoken.", c.audio_seconds)
        yield CounterMetricFamily(
            "streamer_underruns",
            "Times sound came after it was due, as the server saw.",
            c.underruns,
        )
        yield CounterMetricFamily(
            "streamer_listener_underruns",
            "Times a listener ran dry, as listeners report.",
            c.listener_underruns,
        )
        yield HistogramMetricFamily(
            "streamer_first_audio_seconds",
            "From a context's first text to its first packet.",
            c.first_audio.cumulative(),
            c.first_audio.total,
        )
        yield HistogramMetricFamily(
            "streamer_first_sound_seconds",
            "From text to first sound heard, as listeners report.",
            c.first_sound.cumulative(),
            c.first_sound.total,
        )


METRICS = tuple(
    metric.name + ("_total" if metric.type == "counter" else "")
    for metric in _Collector(Counters()).collect()
)
"""The names of all metrics, as Prometheus sees them."""


def render(counters: Counters) -> bytes:
    """The counters in Prometheus' text format (`CONTENT_TYPE`)."""
    registry = CollectorRegistry()
    registry.register(_Collector(counters))
    return generate_latest(registry)
