"""Transcripts over HTTP as pairs of a request and its answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ANY = "…"
HTTP = Path(__file__).parent / "transcripts" / "http"

Line = dict[str, Any]


def pairs(name: str, *, client: bool) -> list[tuple[Line, Line]]:
    """Of one API. `client`: those where our own client asks another's server; else the others, where
    another's client asks ours."""
    lines = [json.loads(line) for line in (HTTP / f"{name}.jsonl").read_text("utf-8").splitlines()]
    both = list(zip(lines[::2], lines[1::2], strict=True))
    assert all((asked["from"], told["from"]) == ("client", "server") for asked, told in both)
    return [pair for pair in both if ("utterance" in pair[0]) is client]


def fits(found: Any, expected: Any) -> bool:
    """Whether they are equal, where an ellipsis stands for any value."""
    if expected == ANY:
        return bool(found)
    if isinstance(expected, dict) and isinstance(found, dict):
        return set(found) == set(expected) and all(fits(found[n], expected[n]) for n in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(found) == len(expected) and all(map(fits, found, expected))
    return bool(found == expected)


def body_of(line: Line) -> bytes:
    return json.dumps(line["body"]).encode() if "body" in line else bytes.fromhex(line["hex"])


def note(pair: tuple[Line, Line]) -> str:
    return str(pair[0]["note"])
