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
from typing import Any

from streamer.errors.access import (
    AccessError,
    KeyRevoked,
    OriginNotAllowed,
    ScopeMissing,
    TokenExpired,
    Unauthenticated,
)
from streamer.errors.base import (
    StreamerError,
)
from streamer.errors.limits import (
    BudgetSpent,
    ChannelLimit,
    ConnectionLimit,
    ContextLimit,
    FileQuota,
    JobLimit,
    LimitError,
    RateLimited,
    VoiceLimit,
)
from streamer.errors.request import (
    CheckpointInvalid,
    ContextConflict,
    ContextLost,
    FetchFailed,
    Gone,
    IdempotencyConflict,
    InvalidCaptions,
    InvalidMedia,
    InvalidMessage,
    InvalidParameter,
    LanguageNotSupported,
    MessageLimit,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    NotReady,
    RequestError,
    TextGap,
    TextLimit,
    UnknownContext,
    UnknownParameter,
    UnknownVoice,
    UnsupportedParameter,
    UrlNotAllowed,
)
from streamer.errors.server import (
    Draining,
    EngineFailed,
    IdleTimeout,
    InternalError,
    ServerError,
    StalledReader,
    StorageFull,
    StorageUnavailable,
    VoiceDamaged,
)

__all__ = [
    "CODES",
    "AccessError",
    "BudgetSpent",
    "ChannelLimit",
    "CheckpointInvalid",
    "ConnectionLimit",
    "ContextConflict",
    "ContextLimit",
    "ContextLost",
    "Draining",
    "EngineFailed",
    "FetchFailed",
    "FileQuota",
    "Gone",
    "IdempotencyConflict",
    "IdleTimeout",
    "InternalError",
    "InvalidCaptions",
    "InvalidMedia",
    "InvalidMessage",
    "InvalidParameter",
    "JobLimit",
    "KeyRevoked",
    "LanguageNotSupported",
    "LimitError",
    "MessageLimit",
    "MethodNotAllowed",
    "NotAvailable",
    "NotFound",
    "NotReady",
    "OriginNotAllowed",
    "RateLimited",
    "RequestError",
    "ScopeMissing",
    "ServerError",
    "StalledReader",
    "StorageFull",
    "StorageUnavailable",
    "StreamerError",
    "TextGap",
    "TextLimit",
    "TokenExpired",
    "Unauthenticated",
    "UnknownContext",
    "UnknownParameter",
    "UnknownVoice",
    "UnsupportedParameter",
    "UrlNotAllowed",
    "VoiceDamaged",
    "VoiceLimit",
    "from_code",
]


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
