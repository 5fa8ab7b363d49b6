"""Bounds of a key and of the server, on a clock that the test moves."""

from __future__ import annotations

import pytest

from streamer.config import Settings
from streamer.errors import ConnectionLimit, ContextLimit, RateLimited, TextLimit
from streamer.server.limits import NO_LIMITS, Bucket, KeyLimits, Limits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_a_minutes_worth_and_fills_steadily() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.take(60, "requests")
    with pytest.raises(RateLimited) as caught:
        bucket.take(2, "requests")
    assert caught.value.details == {"retry_after_s": 2.0, "limit": 60}
    clock.now += 2
    bucket.take(2, "requests")
    clock.now += 3600
    bucket.take(60, "requests")
    with pytest.raises(RateLimited):
        bucket.take(1, "requests")


def test_bucket_that_refuses_takes_nothing() -> None:
    bucket = Bucket(10, Clock())
    bucket.take(4, "characters")
    with pytest.raises(RateLimited):
        bucket.take(7, "characters")
    bucket.take(6, "characters")


def test_more_than_a_minute_s_worth_is_not_to_be_tried_again() -> None:
    bucket = Bucket(10, Clock())
    with pytest.raises(TextLimit) as caught:
        bucket.take(11, "characters")
    assert not caught.value.retryable
    bucket.take(10, "characters")


def test_a_slot_is_given_back_once() -> None:
    limits = Limits(Settings(max_connections=2), Clock())
    first = limits.connect("k", NO_LIMITS)
    limits.connect("k", NO_LIMITS)
    with pytest.raises(ConnectionLimit):
        limits.connect("k", NO_LIMITS)
    first.release()
    first.release()
    assert limits.connections == 1
    limits.connect("k", NO_LIMITS)


def test_a_keys_own_limit_goes_before_the_setting() -> None:
    limits = Limits(Settings(key_contexts=1), Clock())
    own = KeyLimits(contexts=2)
    limits.start("k", own)
    slot = limits.start("k", own)
    with pytest.raises(ContextLimit):
        limits.start("k", own)
    slot.release()
    limits.start("k", own)
    limits.start("other", NO_LIMITS)
    with pytest.raises(ContextLimit):
        limits.start("other", NO_LIMITS)


def test_limits_of_keys_do_not_bind_a_server_without_keys() -> None:
    limits = Limits(Settings(key_contexts=1, key_requests_per_minute=1), Clock())
    for _ in range(5):
        limits.start("", NO_LIMITS)
    limits.characters("", NO_LIMITS, 10**9)


def test_a_raised_limit_holds_at_once() -> None:
    limits = Limits(Settings(key_chars_per_minute=10), Clock())
    limits.characters("k", NO_LIMITS, 10)
    with pytest.raises(RateLimited):
        limits.characters("k", KeyLimits(chars_per_minute=5), 1)
    clock = Clock()
    limits = Limits(Settings(key_chars_per_minute=10), clock)
    limits.characters("k", NO_LIMITS, 10)
    clock.now += 60
    limits.characters("k", KeyLimits(chars_per_minute=600), 500)


def test_ready_tells_the_bounds_of_this_key() -> None:
    limits = Limits(Settings(), Clock())
    assert "key_contexts" not in limits.told(NO_LIMITS, keyed=False)
    assert "key_listeners" not in limits.told(NO_LIMITS, keyed=False)
    told = limits.told(KeyLimits(contexts=3, budget=2.5), keyed=True)
    assert told["key_listeners"] == 1000
    assert (told["key_contexts"], told["key_connections"], told["key_budget"]) == (3, 256, 2.5)
