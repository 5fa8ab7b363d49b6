"""Structured logs: one line per event, as JSON or text, never with text to speak, audio or keys.

Messages of foreign exceptions may quote what a client sent, so a fault is logged by its type and the
places it passed, not by its message.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class CutShort(Exception):
    """Raised out of an HTTP answer that has begun, so that the client sees it was cut, not ended."""


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name, value in vars(record).items():
        if name not in _STANDARD and value is not None:
            yield name, value


def _fault(record: logging.LogRecord) -> dict[str, Any]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def _event(record: logging.LogRecord) -> str:
    """The headline: in the lines below it asyncio quotes exceptions, which may quote a client."""
    return record.getMessage().partition("\n")[0]


def _printable(value: Any) -> str:
    """A field in one line. Clients choose some of them (names of contexts): no line breaks, no escapes."""
    shown = str(value)
    return shown if shown.isprintable() else repr(shown)


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
        }
        line.update(_fields(record))
        line.update(_fault(record))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        fields = {**dict(_fields(record)), **_fault(record)}
        tail = " ".join(f"{name}={_printable(value)}" for name, value in fields.items())
        return f"{at} {record.levelname.lower():7} {_event(record)} {tail}".rstrip()


def _not_cut(record: logging.LogRecord) -> bool:
    """Whether uvicorn complains of something else than an answer that we cut on purpose."""
    return not (record.exc_info and isinstance(record.exc_info[1], CutShort))


def configure(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["json", "text"],
    stream: TextIO | None = None,
) -> logging.Handler:
    """Send the logs of the server and of uvicorn to a stream (standard error). Returns the handler."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    handler.addFilter(_not_cut)
    for name, least in (("streamer", level), ("uvicorn", "warning"), ("asyncio", "warning")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least.upper())
        logger.propagate = False
    return handler


class RequestLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds its fields (the request id) to every line."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs
