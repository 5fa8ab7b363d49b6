"""When a webhook is sent again, what counts as received, how it is signed: one row each."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from streamer.resources import DeliveryState

DAY_S = 86400.0
JITTER = 0.1
"""A delay is up to this part shorter or longer, so that what failed together does not return together."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How one kind of receiver is told.

    `delays_s[n]` is the wait before attempt n + 1, counted from the end of the one before; there are as
    many attempts as delays. Statuses in `success` are all that count as received; one in `gone` ends it,
    and disables an endpoint; one in `throttle` has its Retry-After obeyed. `timeout_s`: None is the
    server's setting. `envelope`: the body is `{type, timestamp, data}`, not `data` alone; `any_size`: and
    may be of 20 kB and more. `jitter` is the part by which a delay may be shorter or longer.
    """

    name: str
    delays_s: tuple[float, ...]
    timeout_s: float | None = None
    success: Container[int] = range(200, 300)
    gone: frozenset[int] = frozenset({410})
    throttle: frozenset[int] = frozenset({429, 502, 503, 504})
    signing: Literal["standard", "none"] = "standard"
    envelope: bool = True
    any_size: bool = False
    jitter: float = JITTER


STANDARD = Policy(
    "standard",
    (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
)
"""Standard Webhooks 1.0.0, with the schedule of its example: ten attempts over 75 hours."""

_BARE = Policy(
    "evolink",
    (0, 1, 2, 4),
    timeout_s=10,
    gone=frozenset(),
    throttle=frozenset(),
    signing="none",
    envelope=False,
    any_size=True,
    jitter=0,
)
"""Evolink's documented rule: 10 s, up to three retries after 1, 2 and 4 s, any 2xx is success."""
HOSTED = (
    _BARE,
    replace(_BARE, name="crun", success=frozenset({200})),  # its documents state no schedule
    replace(_BARE, name="runware", delays_s=(0, 5, 60, 600, 3600), jitter=JITTER),  # nor Runware's
)
"""As the APIs of hosted voices tell: the bare object, unsigned."""

POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in (STANDARD, *HOSTED)}


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended: the status of an answer, or None and a word for why there was none."""

    status: int | None = None
    error: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt. `wait_s` is the wait before the next, None after the last."""

    state: DeliveryState
    wait_s: float | None = None


def judge(policy: Policy, attempts: int, attempt: Attempt, *, jitter: float) -> Verdict:
    """What follows from `attempt`, the `attempts`-th. `jitter` is a random number in [0, 1)."""
    if attempt.status is not None and attempt.status in policy.success:
        return Verdict("delivered")
    if attempt.status in policy.gone:
        return Verdict("disabled")
    if attempts >= len(policy.delays_s):
        return Verdict("failed")
    wait_s = policy.delays_s[attempts] * (1 + policy.jitter * (2 * jitter - 1))
    if attempt.status in policy.throttle and attempt.retry_after_s is not None:
        wait_s = max(wait_s, attempt.retry_after_s)
    return Verdict("pending", wait_s)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: a number or a date), 0 to a day.

    None where there is none, or none that can be read. `now` in Unix seconds.
    """
    value = (value or "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value[:16]), DAY_S)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # "-0000" and asctime's form: UTC too
            date = date.replace(tzinfo=UTC)
        return min(max(date.timestamp() - now, 0.0), DAY_S)
    except (ValueError, OverflowError):
        return None
