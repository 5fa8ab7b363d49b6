"""Errors as Runware words them: `{"errors": [{"code", "message", "parameter", "taskType", "taskUUID"}]}`.

Runware documents no list of codes; these are the ones that its SDK (PyPI runware-sdk 1.8.0) tells apart,
so that it takes each for what it is. Both roles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from streamer.errors import (
    AccessError,
    BudgetSpent,
    ContextConflict,
    Draining,
    EngineFailed,
    FetchFailed,
    FileQuota,
    Gone,
    IdempotencyConflict,
    IdleTimeout,
    InvalidMedia,
    InvalidMessage,
    KeyRevoked,
    LanguageNotSupported,
    LimitError,
    MessageLimit,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    OriginNotAllowed,
    RequestError,
    ScopeMissing,
    StorageFull,
    StorageUnavailable,
    StreamerError,
    TextLimit,
    Unauthenticated,
    UnknownParameter,
    UnknownVoice,
    UnsupportedParameter,
    UrlNotAllowed,
    VoiceDamaged,
    VoiceLimit,
)

CODES: tuple[tuple[type[StreamerError], str], ...] = (
    (ContextConflict, "conflictTaskUUID"),
    (IdempotencyConflict, "conflictTaskUUID"),
    (InvalidMessage, "invalidRequest"),
    (UnknownParameter, "unknownParameter"),
    (UnsupportedParameter, "unsupportedParameter"),
    (UnknownVoice, "invalidVoice"),
    (LanguageNotSupported, "unsupportedLanguage"),
    (TextLimit, "maxLengthExceeded"),
    (MessageLimit, "maxRequestSizeExceeded"),
    (NotFound, "mediaNotFound"),
    (Gone, "mediaExpired"),
    (UrlNotAllowed, "invalidURL"),
    (FetchFailed, "downloadFailed"),
    (InvalidMedia, "invalidMedia"),
    (NotAvailable, "unsupportedModel"),
    (MethodNotAllowed, "invalidMethod"),
    (RequestError, "invalidParameter"),
    (KeyRevoked, "tokenRevoked"),
    (ScopeMissing, "insufficientPermissions"),
    (OriginNotAllowed, "forbidden"),
    (AccessError, "invalidApiKey"),
    (BudgetSpent, "insufficientCredits"),
    (FileQuota, "storageQuotaExceeded"),
    (VoiceLimit, "storageQuotaExceeded"),
    (LimitError, "rateLimitExceeded"),
    (EngineFailed, "inferenceError"),
    (IdleTimeout, "timeout"),
    (VoiceDamaged, "invalidVoice"),
    (Draining, "serviceUnavailable"),
    (StorageUnavailable, "serviceUnavailable"),
    (StorageFull, "serviceUnavailable"),
    (StreamerError, "internalServerError"),
)
"""The first row that fits."""

TASK_NOT_FOUND = "taskFailedOrNotFound"
TASK_CANCELLED = "taskCancelled"
UPLOAD_FAILED = "uploadFailed"

PARAMETERS: Mapping[str, str] = {
    "text": "speech.text",
    "voice": "speech.voice",
    "options.voice": "speech.voice",
    "language": "speech.language",
    "speed": "speech.speed",
    "instructions": "positivePrompt",
    "audio": "outputFormat",
    "audio.codec": "outputFormat",
    "audio.container": "outputFormat",
    "audio.sample_rate": "audioSettings.sampleRate",
    "audio.channels": "audioSettings.channels",
    "audio.bit_rate": "audioSettings.bitrate",
    "longest_s": "settings.maxNewTokens",
    "results": "numberResults",
    "ttl_s": "ttl",
    "webhook.url": "webhookURL",
    "alias": "taskUUID",
    "id": "taskUUID",
}
"""Runware's names of what our errors name."""

_STATUSES: Mapping[str, tuple[int, bool]] = {
    "insufficientPermissions": (403, False),
    "forbidden": (403, False),
    "permissionDenied": (403, False),
    "authFailed": (401, False),
    "authTimeout": (401, False),
    "authenticationFailed": (401, False),
    "unauthorized": (401, False),
    "paymentRequired": (402, False),
    "timeout": (504, True),
    TASK_NOT_FOUND: (404, False),
    TASK_CANCELLED: (409, False),
    "inferenceError": (502, True),
    "processingFailed": (502, True),
    "taskFailed": (502, True),
    "noAvailableServer": (503, True),
    "modelNotReady": (503, True),
    "modelUnavailable": (400, False),
    "modelDisabled": (400, False),
    "downloadFailed": (400, False),
    UPLOAD_FAILED: (400, False),
    "serviceUnavailable": (503, True),
    "serverUnavailable": (503, True),
    "internalServerError": (500, True),
    "standardError": (500, True),
    "unknownError": (500, True),
}
_PARTS: tuple[tuple[str, tuple[int, bool]], ...] = (
    ("Credits", (402, False)),
    ("Quota", (402, False)),
    ("Balance", (402, False)),
    ("RateLimit", (429, True)),
    ("rateLimit", (429, True)),
    ("ApiKey", (401, False)),
    ("token", (401, False)),
    ("missingAuth", (401, False)),
    ("invalidAuth", (401, False)),
    ("Timeout", (504, True)),
    ("timeout", (504, True)),
    ("NotFound", (404, False)),
    ("Expired", (410, False)),
    ("providerContent", (400, False)),
    ("provider", (502, True)),
    ("invalid", (400, False)),
    ("missing", (400, False)),
    ("unsupported", (400, False)),
    ("unknown", (400, False)),
    ("max", (400, False)),
)
"""What is in a code that is not in `_STATUSES`, as the SDK sorts them."""


def code_of(error: StreamerError) -> str:
    """Runware's code of an error of ours."""
    if isinstance(error, UnknownVoice) and error.param == "model":
        return "unknownModel"
    if isinstance(error, NotFound) and error.param in ("id", "taskUUID"):
        return TASK_NOT_FOUND
    if isinstance(error, NotFound) and error.param is None:
        return "addressNotFound"
    if isinstance(error, Unauthenticated) and error.details.get("missing"):
        return "missingApiKey"
    return next(code for kind, code in CODES if isinstance(error, kind))


def error_item(
    error: StreamerError, kind: str = "", id: str = "", *, code: str = ""
) -> dict[str, Any]:
    """One of `errors`; of the task `id` of type `kind`, "" where it is of none."""
    item: dict[str, Any] = {"code": code or code_of(error), "message": error.message}
    if error.param:
        item["parameter"] = PARAMETERS.get(error.param, error.param)
    if kind:
        item["taskType"] = kind
    if id:
        item["taskUUID"] = id
    return item


def status_of(error: StreamerError) -> int:
    """HTTP's. A thing that is not there, or that this server can't do, is the request's fault: 5xx would
    be sent again."""
    return 400 if isinstance(error, NotAvailable | LanguageNotSupported) else error.status


def headers_of(errors: Iterable[StreamerError]) -> dict[str, str]:
    """Headers of an answer with these errors, in lower case."""
    headers = {"content-type": "application/json"}
    for error in errors:
        wait = error.details.get("retry_after_s")
        if isinstance(wait, int | float):
            headers.setdefault("retry-after", str(max(0, math.ceil(wait))))
        if isinstance(error, Unauthenticated):
            headers["www-authenticate"] = "Bearer"
    return headers


def encode_error(error: StreamerError, request_id: str = "") -> tuple[int, bytes, dict[str, str]]:
    """The HTTP answer to a request that is refused as a whole: status, body, headers."""
    headers = headers_of([error])
    if request_id:
        headers["x-request-id"] = request_id
    body = msgspec.json.encode({"data": [], "errors": [error_item(error)]}, enc_hook=str)
    return status_of(error), body, headers


def status_of_code(code: str) -> tuple[int, bool] | None:
    """The HTTP status that means the same as a code, and whether to try again; None: no such code."""
    if code in _STATUSES:
        return _STATUSES[code]
    for part, meaning in _PARTS:
        if part in code:
            return meaning
    return None
