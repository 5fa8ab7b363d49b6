"""Ends of jobs told to URLs of clients: signed (Standard Webhooks 1.0.0), at least once, with a stable id."""

from __future__ import annotations

from streamer.webhooks.outbox import Counters
from streamer.webhooks.policies import POLICIES, STANDARD, Policy
from streamer.webhooks.signature import check_secret, new_secret, sign
from streamer.webhooks.webhooks import Webhooks

__all__ = [
    "POLICIES",
    "STANDARD",
    "Counters",
    "Policy",
    "Webhooks",
    "check_secret",
    "new_secret",
    "sign",
]
