"""Errors that are not the client's fault."""

from __future__ import annotations

from typing import Any

from streamer.errors.base import StreamerError


class ServerError(StreamerError):
    """It is not the client's fault."""

    code = "internal_error"
    status = 500


class EngineFailed(ServerError):
    """Synthesis failed. It may do better next time, unless whoever raises it knows that it won't."""

    code = "engine_failed"
    status = 502
    retryable = True

    def __init__(
        self, message: str, *, param: str | None = None, retryable: bool = True, **details: Any
    ) -> None:
        super().__init__(message, param=param, **details)
        self.retryable = retryable


class StalledReader(ServerError):
    """The client read nothing for too long; the socket is closed with 4001."""

    code = "stalled_reader"
    status = 408
    retryable = True


class IdleTimeout(ServerError):
    """Nothing was said for too long."""

    code = "idle_timeout"
    status = 408
    retryable = True


class Draining(ServerError):
    """The server is shutting down and takes nothing new."""

    code = "draining"
    status = 503
    retryable = True


class StorageUnavailable(ServerError):
    """The database or the disk can't be used now: locked, read-only, failing."""

    code = "storage_unavailable"
    status = 503
    retryable = True


class StorageFull(ServerError):
    """The disk is full."""

    code = "storage_full"
    status = 507
    retryable = True


class VoiceDamaged(ServerError):
    """What a voice is made of is lost or not what was stored; `voice` is its id. It has to be made anew."""

    code = "voice_damaged"

    def __init__(self, message: str, *, param: str | None = "voice", **details: Any) -> None:
        super().__init__(message, param=param, **details)


class InternalError(ServerError):
    """A fault of ours; it is in the log under the request id."""

    code = "internal_error"
    retryable = True
