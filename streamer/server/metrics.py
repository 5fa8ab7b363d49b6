"""What the server counts, as plain figures, and how Prometheus reads them.

Whoever counts knows only `Counters`; only `render` knows the Prometheus client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from streamer.engines.breaker import STATES
from streamer.engines.opening import EngineCounts
from streamer.jobs import JobCounts
from streamer.webhooks import Counters as WebhookCounters

CONTENT_TYPE = CONTENT_TYPE_LATEST

BUCKETS_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Finest around the time a listener begins to notice, a tenth of a second."""


BUCKETS_PPM = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
"""Sound cards keep within 100; what is far above has no clock of its own."""


class Histogram:
    """Figures, counted per bucket."""

    def __init__(self, buckets: tuple[float, ...] = BUCKETS_S) -> None:
        self.counts = [0] * (len(buckets) + 1)
        self.total = 0.0
        self._buckets = buckets

    def observe(self, figure: float) -> None:
        self.counts[bisect_left(self._buckets, figure)] += 1
        self.total += figure

    def cumulative(self) -> list[tuple[str, float]]:
        bounds = [*(f"{bound:g}" for bound in self._buckets), "+Inf"]
        running, rows = 0, []
        for bound, count in zip(bounds, self.counts, strict=True):
            running += count
            rows.append((bound, float(running)))
        return rows


@dataclass(slots=True)
class Counters:
    """All figures of one server since it started; of now are `active_contexts`, `connections`, `detached`,
    `channels`, their listeners and their encoders."""

    connections: int = 0
    detached: int = 0
    resumes: Counter[str] = field(default_factory=Counter)
    active_contexts: int = 0
    contexts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    audio_seconds: float = 0.0
    channels: int = 0
    channel_listeners: int = 0
    channel_listeners_cut: int = 0
    channel_encoders: int = 0
    underruns: int = 0
    listener_underruns: int = 0
    first_audio: Histogram = field(default_factory=Histogram)
    first_sound: Histogram = field(default_factory=Histogram)
    network: Histogram = field(default_factory=Histogram)
    drift: Histogram = field(default_factory=lambda: Histogram(BUCKETS_PPM))
    cues: Counter[str] = field(default_factory=Counter)
    lateness: Histogram = field(default_factory=Histogram)


class _Collector:
    """The counters in Prometheus' words."""

    def __init__(
        self,
        counters: Counters,
        jobs: JobCounts,
        webhooks: WebhookCounters,
        engines: EngineCounts,
    ) -> None:
        self._counters = counters
        self._jobs = jobs
        self._webhooks = webhooks
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        yield from self._of_contexts()
        yield from self._of_channels()
        yield from self._of_jobs()
        yield from self._of_webhooks()
        yield from self._of_engines()

    def _of_contexts(self) -> Iterator[Metric]:
        c = self._counters
        yield GaugeMetricFamily("streamer_connections", "Open WebSockets.", c.connections)
        yield GaugeMetricFamily(
            "streamer_detached_connections", "Lost WebSockets that are waited for.", c.detached
        )
        yield _counted(
            "streamer_resumes", "Lost WebSockets, by what became of them.", "outcome", c.resumes
        )
        yield GaugeMetricFamily(
            "streamer_active_contexts", "Contexts and HTTP utterances in work.", c.active_contexts
        )
        yield _counted("streamer_contexts", "Contexts that ended, by how.", "outcome", c.contexts)
        yield _counted("streamer_errors", "Errors told to clients, by code.", "code", c.errors)
        characters = c.characters + self._jobs.characters
        seconds = c.audio_seconds + self._jobs.audio_seconds
        yield CounterMetricFamily("streamer_characters", "Characters spoken.", characters)
        yield CounterMetricFamily("streamer_audio_seconds", "Sound spoken.", seconds)
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
        yield HistogramMetricFamily(
            "streamer_listener_network_seconds",
            "Half a round trip, as listeners report.",
            c.network.cumulative(),
            c.network.total,
        )
        yield HistogramMetricFamily(
            "streamer_listener_drift_ppm",
            "Listeners' sound clocks against ours, either way, as they report.",
            c.drift.cumulative(),
            c.drift.total,
        )
        yield _counted(
            "streamer_cues", "Cues, by how they were spoken.", "outcome", c.cues + self._jobs.cues
        )
        yield HistogramMetricFamily(
            "streamer_cue_lateness_seconds",
            "How long after its time a cue was begun; those of jobs are not in it.",
            c.lateness.cumulative(),
            c.lateness.total,
        )

    def _of_channels(self) -> Iterator[Metric]:
        c = self._counters
        yield GaugeMetricFamily("streamer_channels", "Open channels.", c.channels)
        yield GaugeMetricFamily(
            "streamer_channel_listeners", "Listeners of all channels.", c.channel_listeners
        )
        yield CounterMetricFamily(
            "streamer_channel_listeners_cut",
            "Listeners of channels that read too slowly and were cut off.",
            c.channel_listeners_cut,
        )
        yield GaugeMetricFamily(
            "streamer_channel_encoders",
            "Encoders of channels: one for each format of each.",
            c.channel_encoders,
        )

    def _of_jobs(self) -> Iterator[Metric]:
        jobs = self._jobs
        unfinished = GaugeMetricFamily("streamer_jobs", "Unfinished jobs.", labels=["status"])
        unfinished.add_metric(["queued"], jobs.queued)
        unfinished.add_metric(["running"], jobs.running)
        yield unfinished
        yield _counted("streamer_jobs_finished", "Jobs that ended.", "status", jobs.finished)
        yield CounterMetricFamily(
            "streamer_job_retries", "Attempts at jobs that failed and are made again.", jobs.retries
        )

    def _of_webhooks(self) -> Iterator[Metric]:
        hooks = self._webhooks
        yield GaugeMetricFamily(
            "streamer_webhooks_pending", "Webhooks that wait for an attempt.", hooks.pending
        )
        yield _counted(
            "streamer_webhook_attempts",
            "Attempts to deliver webhooks, by status or what went wrong.",
            "outcome",
            hooks.attempts,
        )
        ended = {
            "delivered": hooks.delivered,
            "disabled": hooks.disabled,
            "failed": hooks.failed,
        }
        yield _counted("streamer_webhooks_ended", "Webhooks that wait no more.", "state", ended)

    def _of_engines(self) -> Iterator[Metric]:
        fallback, phrases = self._engines.fallback, self._engines.phrases
        circuits = GaugeMetricFamily(
            "streamer_circuits", "Circuits of engines in chains.", labels=["engine", "state"]
        )
        for name, breaker in sorted(self._engines.circuits.items()):
            state = breaker.state
            for other in STATES:
                circuits.add_metric([name, other], other == state)
        yield circuits
        yield _counted(
            "streamer_engine_failures",
            "Failures of engines in chains, after which another went on.",
            "engine",
            fallback.failures,
        )
        yield CounterMetricFamily(
            "streamer_segments_lost", "Segments in chains that failed midway.", fallback.lost
        )
        found = {"hit": phrases.hits, "miss": phrases.misses}
        yield _counted("streamer_phrases", "Phrases looked for, by outcome.", "outcome", found)
        yield GaugeMetricFamily("streamer_phrases_bytes", "Memory that phrases take.", phrases.size)
        sequences = CounterMetricFamily(
            "streamer_sequences",
            "Sequences of a model, by how they ended.",
            labels=["engine", "end"],
        )
        retries = Counter[str]()
        for name, engine in sorted(self._engines.counted.items()):
            counts = engine.sequence_counts
            retries[name] = counts.retries
            for end, count in sorted(counts.ended.items()):
                sequences.add_metric([name, end], count)
        yield sequences
        yield _counted(
            "streamer_sequence_retries",
            "Sequences said again with another seed.",
            "engine",
            retries,
        )


def _counted(name: str, help: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


METRICS = tuple(
    metric.name + ("_total" if metric.type == "counter" else "")
    for metric in _Collector(Counters(), JobCounts(), WebhookCounters(), EngineCounts()).collect()
)
"""The names of all metrics, as Prometheus sees them."""


def render(
    counters: Counters,
    jobs: JobCounts,
    webhooks: WebhookCounters,
    engines: EngineCounts | None = None,
) -> bytes:
    """All figures in Prometheus' text format (`CONTENT_TYPE`)."""
    registry = CollectorRegistry()
    registry.register(_Collector(counters, jobs, webhooks, engines or EngineCounts()))
    return generate_latest(registry)
