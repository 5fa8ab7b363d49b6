"""Every error a client can meet, one tree, all codes in one table (`CODES`).

    StreamerError
    ├── RequestError                 the client asked for something it can't have
    │   ├── InvalidMessage           invalid_message          not a message of this protocol
    │   ├── UnknownParameter         unknown_parameter        no such field or type
    │   ├── InvalidParameter         invalid_parameter        value outside its range
    │   ├── UnsupportedParameter     unsupported_parameter    this engine or codec can't do it
    │   ├── UnknownVoice             unknown_voice            unknown or ambiguous, with candidates
    │   ├── LanguageNotSupported     language_not_supported   no voice here speaks this text
    │   ├── ContextConflict          context_conflict         not possible in the context's state
    │   ├── UnknownContext           unknown_context          no such context
    │   ├── ContextLost              context_lost             it was live on a socket that is gone
    │   ├── TextGap                  text_gap                 `at` leaves a hole
    │   ├── TextLimit                text_limit               more text than the bound
    │   ├── MessageLimit             message_limit            a message or body over the bound
    │   ├── NotFound                 not_found                no such thing at this address
    │   ├── Gone                     gone                     it was there, and has expired or been deleted
    │   ├── NotReady                 not_ready                a job that has not finished has no sound yet
    │   ├── IdempotencyConflict      idempotency_conflict     the key was used for another request
    │   ├── UrlNotAllowed            url_not_allowed          an address this server doesn't open
    │   ├── FetchFailed              fetch_failed             a URL of the client's could not be fetched
    │   ├── CheckpointInvalid        checkpoint_invalid       a model's files are not what they have to be
    │   ├── InvalidMedia             invalid_media            not sound, or more of it than may be
    │   ├── InvalidCaptions          invalid_captions         not WebVTT or SRT
    │   ├── MethodNotAllowed         method_not_allowed       not with this HTTP method
    │   └── NotAvailable             not_available            this server doesn't offer it
    ├── AccessError
    │   ├── Unauthenticated          unauthenticated          no key, or not a valid one
    │   ├── KeyRevoked               key_revoked              was valid, is no more
    │   ├── TokenExpired             token_expired            a token's time is up
    │   ├── ScopeMissing             scope_missing            the key is not made for this
    │   └── OriginNotAllowed         origin_not_allowed       this page may not ask
    ├── LimitError                   all retryable but budget, quota and voices
    │   ├── RateLimited              rate_limited             too many requests or characters
    │   ├── ContextLimit             context_limit            too many contexts at once
    │   ├── ConnectionLimit          connection_limit         too many connections at once
    │   ├── ChannelLimit             channel_limit            too many channels, listeners or formats of one
    │   ├── JobLimit                 job_limit                too many unfinished jobs
    │   ├── FileQuota                file_quota               the key's files take all the space it has
    │   ├── VoiceLimit               voice_limit              the key has made as many voices as it may
    │   └── BudgetSpent              budget_spent             the key's budget is used up
    └── ServerError
        ├── EngineFailed             engine_failed            synthesis failed
        ├── StalledReader            stalled_reader           the client reads too slowly
        ├── IdleTimeout              idle_timeout             nothing was said for too long
        ├── Draining                 draining                 the server is shutting down
        ├── StorageUnavailable       storage_unavailable      the database or the disk can't be used now
        ├── StorageFull              storage_full             the disk is full
        ├── VoiceDamaged             voice_damaged            what a voice is made of can't be read any more
        └── InternalError            internal_error           ours, and logged

Each carries what a shell needs to render it: `code`, `status` (HTTP), `retryable`, `param`. Nothing
parses messages; only a dialect renders them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar


class StreamerError(Exception):
    """Base of all errors a client may see. Never raised itself.

    `message` is for people; `param` names the parameter at fault; `details` are extra JSON fields
    (`offset`, `candidates`, `retry_after_s`, `limit`).
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retryable: bool = False

    def __init__(self, message: str, *, param: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details = details

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StreamerError):
            return NotImplemented
        return (self.code, self.message, self.param, self.details) == (
            other.code,
            other.message,
            other.param,
            other.details,
        )

    def __hash__(self) -> int:
        return hash((self.code, self.message, self.param))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, param={self.param!r})"


class RequestError(StreamerError):
    """The client asked for something it can't have."""

    code = "invalid_parameter"
    status = 400


class InvalidMessage(RequestError):
    """Not a message of this protocol."""

    code = "invalid_message"


class UnknownParameter(RequestError):
    """No such field or message type."""

    code = "unknown_parameter"


class InvalidParameter(RequestError):
    """A value of the wrong type or outside its range."""

    code = "invalid_parameter"


class UnsupportedParameter(RequestError):
    """A valid wish that this engine, voice or codec can't fulfil."""

    code = "unsupported_parameter"


class UnknownVoice(RequestError):
    """No such voice or model, or several; `candidates` names what there is."""

    code = "unknown_voice"
    status = 404


class LanguageNotSupported(RequestError):
    """No voice here speaks this text; `offset` says where it begins."""

    code = "language_not_supported"
    status = 422


class ContextConflict(RequestError):
    """The context is not in a state for that."""

    code = "context_conflict"
    status = 409


class UnknownContext(RequestError):
    """No context of that name."""

    code = "unknown_context"
    status = 404


class ContextLost(RequestError):
    """It was live when the socket was lost, and could not be taken up again: sound is missing. Raised by
    clients, of a context that `resumed` calls not recovered."""

    code = "context_lost"
    status = 410
    retryable = True


class TextGap(RequestError):
    """`at` is beyond the text received; `expected` is the offset wanted next."""

    code = "text_gap"
    status = 409


class TextLimit(RequestError):
    """More text than the bound."""

    code = "text_limit"
    status = 413


class MessageLimit(RequestError):
    """A message or a body over the bound."""

    code = "message_limit"
    status = 413


class NotFound(RequestError):
    """Nothing at this address."""

    code = "not_found"
    status = 404


class Gone(RequestError):
    """It was there, and has expired or been deleted."""

    code = "gone"
    status = 410


class NotReady(RequestError):
    """A job that has not finished has no sound yet; `retry_after_s` says when to ask again."""

    code = "not_ready"
    status = 409
    retryable = True


class IdempotencyConflict(RequestError):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"
    status = 422


class UrlNotAllowed(RequestError):
    """An address that this server doesn't open: not public, or not http(s)."""

    code = "url_not_allowed"


class FetchFailed(RequestError):
    """A URL of the client's could not be fetched."""

    code = "fetch_failed"
    status = 422


class CheckpointInvalid(RequestError):
    """A model's files are missing or not what they have to be; `file` names the one at fault, in its
    checkpoint, `tensor` what in it."""

    code = "checkpoint_invalid"
    status = 422

    def __init__(self, message: str, *, param: str | None = "qwen3", **details: Any) -> None:
        super().__init__(message, param=param, **details)


class InvalidMedia(RequestError):
    """Not sound that can be decoded, or more of it than may be."""

    code = "invalid_media"
    status = 422


class InvalidCaptions(RequestError):
    """Not WebVTT or SRT. `format` names what it is, where that can be told."""

    code = "invalid_captions"
    status = 422


class MethodNotAllowed(RequestError):
    """Not with this HTTP method."""

    code = "method_not_allowed"
    status = 405


class NotAvailable(RequestError):
    """This server doesn't offer it."""

    code = "not_available"
    status = 501


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


def _leaves(cls: type[StreamerError]) -> Iterator[type[StreamerError]]:
    for sub in cls.__subclasses__():
        if sub.__subclasses__():
            yield from _leaves(sub)
        else:
            yield sub


CODES: dict[str, type[StreamerError]] = {cls.code: cls for cls in _leaves(StreamerError)}
"""Every code and the error it stands for; how a client half turns a wire error into a typed one."""


def from_code(
    code: str, message: str, *, param: str | None = None, **details: Any
) -> StreamerError:
    """The typed error for a code off the wire; an unknown code becomes `InternalError`."""
    return CODES.get(code, InternalError)(message, param=param, **details)
