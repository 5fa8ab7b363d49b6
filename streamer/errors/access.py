"""Errors of a client that is not allowed to ask."""

from __future__ import annotations

from streamer.errors.base import StreamerError


class AccessError(StreamerError):
    """The client is not allowed to ask."""

    code = "unauthenticated"
    status = 401


class Unauthenticated(AccessError):
    """No key, or not a valid one."""

    code = "unauthenticated"


class KeyRevoked(AccessError):
    """The key was valid and is no more."""

    code = "key_revoked"


class TokenExpired(AccessError):
    """A token was valid, and its time is up: another is to be asked for."""

    code = "token_expired"


class ScopeMissing(AccessError):
    """The key is valid, but not made for this."""

    code = "scope_missing"
    status = 403


class OriginNotAllowed(AccessError):
    """A page of this origin may not ask."""

    code = "origin_not_allowed"
    status = 403
