"""Figures in Prometheus' words, read back by Prometheus' own parser."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streamer.engines.base import SequenceCounts
from streamer.engines.opening import EngineCounts
from streamer.jobs import JobCounts
from streamer.server.metrics import METRICS, Counters, Histogram, render
from streamer.webhooks import Counters as WebhookCounters


def samples(
    counters: Counters, jobs: JobCounts | None = None, webhooks: WebhookCounters | None = None
) -> dict[tuple[str, str], float]:
    text = render(counters, jobs or JobCounts(), webhooks or WebhookCounters()).decode()
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_are_rendered() -> None:
    counters = Counters(connections=2, active_contexts=1, characters=7, audio_seconds=1.5)
    counters.errors["text_limit"] += 3
    counters.contexts["end"] += 4
    counters.first_audio.observe(0.04)
    counters.first_audio.observe(9.0)
    found = samples(counters)
    assert found["streamer_connections", ""] == 2
    assert found["streamer_active_contexts", ""] == 1
    assert found["streamer_characters_total", ""] == 7
    assert found["streamer_audio_seconds_total", ""] == 1.5
    assert found["streamer_errors_total", "text_limit"] == 3
    assert found["streamer_contexts_total", "end"] == 4
    assert found["streamer_first_audio_seconds_bucket", "0.03"] == 0
    assert found["streamer_first_audio_seconds_bucket", "0.05"] == 1
    assert found["streamer_first_audio_seconds_bucket", "+Inf"] == 2
    assert found["streamer_first_audio_seconds_count", ""] == 2
    assert found["streamer_first_audio_seconds_sum", ""] == 9.04


def test_figures_of_jobs_and_webhooks_are_rendered() -> None:
    jobs = JobCounts(queued=3, running=1, retries=2, characters=5, audio_seconds=0.5)
    jobs.finished["completed"] += 4
    webhooks = WebhookCounters(delivered=2, pending=6)
    webhooks.attempts["timeout"] += 7
    found = samples(Counters(characters=7, audio_seconds=1.5), jobs, webhooks)
    assert found["streamer_jobs", "queued"] == 3
    assert found["streamer_jobs", "running"] == 1
    assert found["streamer_jobs_finished_total", "completed"] == 4
    assert found["streamer_job_retries_total", ""] == 2
    assert found["streamer_characters_total", ""] == 12
    assert found["streamer_audio_seconds_total", ""] == 2
    assert found["streamer_webhooks_pending", ""] == 6
    assert found["streamer_webhooks_ended_total", "delivered"] == 2
    assert found["streamer_webhook_attempts_total", "timeout"] == 7


def test_what_became_of_sequences_is_rendered_by_engine() -> None:
    class Counting:
        sequence_counts = SequenceCounts(Counter(stop=5, length=2), retries=1)

    engines = EngineCounts(counted={"qwen3": Counting()})
    text = render(Counters(), JobCounts(), WebhookCounters(), engines).decode()
    assert 'streamer_sequences_total{end="length",engine="qwen3"} 2.0' in text
    assert 'streamer_sequences_total{end="stop",engine="qwen3"} 5.0' in text
    assert 'streamer_sequence_retries_total{engine="qwen3"} 1.0' in text


def test_a_bucket_holds_its_own_bound() -> None:
    histogram = Histogram()
    histogram.observe(0.1)
    assert dict(histogram.cumulative())["0.1"] == 1


def test_every_metric_is_named_once() -> None:
    assert len(set(METRICS)) == len(METRICS)
    assert "streamer_errors_total" in METRICS
    assert all(name.startswith("streamer_") for name in METRICS)


def test_two_servers_do_not_share_figures() -> None:
    one, two = Counters(characters=1), Counters()
    assert samples(one)["streamer_characters_total", ""] == 1
    assert samples(two)["streamer_characters_total", ""] == 0


def test_every_metric_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(streamer_\w+)` \|", page, re.MULTILINE))
    assert documented == set(METRICS)
