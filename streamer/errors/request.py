"""Errors of a client that asked for something it can't have."""

from __future__ import annotations

from typing import Any

from streamer.errors.base import StreamerError


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
