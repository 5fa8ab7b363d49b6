"""Speech as a durable job: on disk before it is accepted, spoken at least once, ended exactly once."""

from __future__ import annotations

from streamer.jobs.counts import JobCounts
from streamer.jobs.jobs import Jobs
from streamer.jobs.stored import FORMAT
from streamer.jobs.table import SCHEMA

__all__ = ["FORMAT", "SCHEMA", "JobCounts", "Jobs"]
