"""Which session speaks what a client starts."""

from __future__ import annotations

from typing import Any

from streamer.captions.session import CaptionSession
from streamer.session import Session
from streamer.types import Start


def open_session(start: Start, **how: Any) -> Session | CaptionSession:
    """The session of that `input`. `how` is as in `Session`. Raises what is wrong with the start."""
    if start.input == "captions":
        return CaptionSession(start, **how)
    return Session(start, **how)
