"""Valid messages in orders of which the last can't be right."""

from __future__ import annotations

from typing import Any


def stories(name: str) -> tuple[tuple[dict[str, Any], ...], ...]:
    """Of a context of that name."""
    start = {"type": "start", "context": name, "voice": "tone-low", "pacing": {"lead_ms": 20}}
    text = {"type": "text", "context": name, "text": "A long text that is not over soon. " * 20}
    end = {"type": "end", "context": name}
    timed = start | {"input": "captions"}
    spoken = {"type": "cue", "context": name, "id": "1", "text": "Good day.", "start_ms": 500}
    return (
        (start, start),
        (start, text, start),
        (start, text, end, text),
        (start, text, end, text | {"text": ""}),
        (start, text, text | {"at": 10**6}),
        (text | {"at": 7},),
        *((end | {"type": kind},) for kind in ("end", "flush", "interrupt", "cancel")),
        *((end | {"type": kind},) for kind in ("pause", "continue")),
        (start, text, end | {"type": "pause"}, start),
        (start, text, end | {"type": "pause"}, end | {"type": "continue"}, start),
        (start, text, end | {"type": "pause"}, end | {"type": "cancel"}, end),
        (spoken,),
        (start, spoken),
        (timed, spoken, end, spoken | {"id": ""}),
        (timed, spoken, spoken | {"voice": "nobody"}),
        (timed, spoken, end | {"type": "pause"}),
        (timed, text | {"text": "<tt xmlns='http://www.w3.org/ns/ttml'><body/></tt>\n"}, end),
        (end | {"type": "subscribe", "channel": f"nobody-{name}"},),
        (start, end | {"type": "subscribe", "channel": "hall"}),
        (start | {"channel": name}, end | {"type": "pause"}),
        (start | {"voice": "nobody"},),
        (start, text | {"voice": "nobody"}),
        (start, text, text | {"speed": 9}),
        (start, text, end | {"type": "cancel"}, end | {"type": "cancel"}),
        (start, text, end | {"type": "interrupt"}, end | {"type": "flush"}),
        ({"type": "resume", "session": "s", "token": "t", "received": {"a": 1}},),
        ({"type": "authenticate", "key": "k"},),
    )
