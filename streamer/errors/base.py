"""The root of the tree of errors."""

from __future__ import annotations

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
