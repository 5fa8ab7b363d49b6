"""What follows from an attempt, row by row, and what Retry-After asks for."""

from __future__ import annotations

import pytest

from streamer.webhooks.policies import (
    DAY_S,
    POLICIES,
    STANDARD,
    Attempt,
    Policy,
    Verdict,
    judge,
    retry_after,
)

NOW = 1_784_894_400.0  # Fri, 24 Jul 2026 12:00:00 GMT


def test_the_standard_schedule_is_the_specifications_example() -> None:
    assert STANDARD.delays_s == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    assert POLICIES["standard"] is STANDARD


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        *(("evolink", 204, "delivered"), ("evolink", 302, "pending"), ("evolink", 410, "pending")),
        *(("crun", 200, "delivered"), ("crun", 201, "pending"), ("crun", 429, "pending")),
        *(("runware", 202, "delivered"), ("runware", 404, "pending")),
    ],
)
def test_hosted_apis_have_their_own_rules_of_success(name: str, status: int, state: str) -> None:
    policy = POLICIES[name]
    verdict = judge(policy, 1, Attempt(status, "x", retry_after_s=3600), jitter=0.9)
    assert verdict.state == state
    assert (policy.signing, policy.envelope, policy.any_size) == ("none", False, True)


@pytest.mark.parametrize("name", ["evolink", "crun"])
def test_evolinks_retries_come_after_1_2_and_4_seconds_to_the_letter(name: str) -> None:
    policy, failure = POLICIES[name], Attempt(500, "status_500", retry_after_s=99)
    waits = [judge(policy, n, failure, jitter=0.99).wait_s for n in (1, 2, 3, 4)]
    assert (waits, policy.timeout_s) == ([1, 2, 4, None], 10)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_received(status: int) -> None:
    assert judge(STANDARD, 1, Attempt(status), jitter=0.5) == Verdict("delivered")


@pytest.mark.parametrize("status", [None, 100, 199, 300, 301, 302, 304, 307, 308, 400, 404, 500])
def test_anything_else_is_tried_again_until_the_schedule_ends(status: int | None) -> None:
    for attempts in range(1, 10):
        verdict = judge(STANDARD, attempts, Attempt(status, "x"), jitter=0.5)
        assert verdict == Verdict("pending", STANDARD.delays_s[attempts])
    assert judge(STANDARD, 10, Attempt(status, "x"), jitter=0.5) == Verdict("failed")


def test_gone_is_told_no_more() -> None:
    assert judge(STANDARD, 1, Attempt(410), jitter=0.5) == Verdict("disabled")


def test_jitter_moves_a_wait_by_a_tenth_at_most() -> None:
    waits = [judge(STANDARD, 2, Attempt(500), jitter=part).wait_s for part in (0, 0.5, 1)]
    assert waits == pytest.approx([270, 300, 330])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_obeyed_where_it_asks_for_more_than_the_schedule(status: int) -> None:
    def wait_s(asked: float) -> float | None:
        attempt = Attempt(status, retry_after_s=asked)
        return judge(STANDARD, 1, attempt, jitter=0.5).wait_s

    assert (wait_s(60), wait_s(1)) == (60, 5)


def test_retry_after_means_nothing_with_other_statuses() -> None:
    assert judge(STANDARD, 1, Attempt(500, retry_after_s=60), jitter=0.5).wait_s == 5


def test_retry_after_gives_no_attempts_beyond_the_last() -> None:
    assert judge(STANDARD, 10, Attempt(429, retry_after_s=60), jitter=0.5) == Verdict("failed")


def test_another_row_has_its_own_schedule_and_rule_of_success() -> None:
    row = Policy("thrice", (0, 1, 2), success=frozenset({200}), gone=frozenset())
    assert judge(row, 1, Attempt(200), jitter=0.5) == Verdict("delivered")
    assert judge(row, 1, Attempt(204), jitter=0.5) == Verdict("pending", 1)
    assert judge(row, 2, Attempt(410), jitter=0.5) == Verdict("pending", 2)
    assert judge(row, 3, Attempt(None), jitter=0.5) == Verdict("failed")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("999999999999999999999999", DAY_S),
        ("Fri, 24 Jul 2026 12:02:00 GMT", 120),
        ("Fri Jul 24 12:02:00 2026", 120),
        ("Friday, 24-Jul-26 12:02:00 GMT", 120),
        ("Fri, 24 Jul 2026 11:00:00 GMT", 0),
        ("Fri, 24 Jul 2126 12:00:00 GMT", DAY_S),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 99 Jul 2026 12:00:00 GMT", None),
        ("Fri, 24 Jul 99999999 12:00:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after(value, NOW) == seconds
