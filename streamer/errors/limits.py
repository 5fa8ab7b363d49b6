"""Errors of a bound that is reached."""

from __future__ import annotations

from streamer.errors.base import StreamerError


class LimitError(StreamerError):
    """A bound of this key or this server is reached; `retry_after_s` says when to come back."""

    code = "rate_limited"
    status = 429
    retryable = True


class RateLimited(LimitError):
    """Too many requests or characters in too short a time."""

    code = "rate_limited"


class ContextLimit(LimitError):
    """Too many contexts at once."""

    code = "context_limit"


class ConnectionLimit(LimitError):
    """Too many connections at once."""

    code = "connection_limit"


class ChannelLimit(LimitError):
    """Too many channels of a key, listeners of a channel, or formats that it is encoded in; `limit`."""

    code = "channel_limit"


class JobLimit(LimitError):
    """Too many unfinished jobs."""

    code = "job_limit"


class FileQuota(LimitError):
    """The key's files take all the space it has; `limit` is in bytes."""

    code = "file_quota"
    status = 413
    retryable = False


class VoiceLimit(LimitError):
    """The key has made as many voices as it may, `limit`: one has to be deleted first."""

    code = "voice_limit"
    status = 409
    retryable = False


class BudgetSpent(LimitError):
    """The key's budget is used up."""

    code = "budget_spent"
    status = 402
    retryable = False
