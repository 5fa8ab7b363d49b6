"""Streamer: text in over a WebSocket, packets of speech out, first sound in tens of milliseconds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from streamer import errors, types
from streamer.errors import StreamerError

if TYPE_CHECKING:
    from streamer.client import Client, Context, connect

__all__ = ["Client", "Context", "StreamerError", "__version__", "connect", "errors", "types"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The client brings asyncio and websockets along, which most modules here must not know."""
    if name in ("Client", "Context", "connect"):
        return getattr(import_module("streamer.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
