"""The process may open as many sockets as its settings let in."""

from __future__ import annotations

import logging
import resource

import pytest

from streamer.config import Settings
from streamer.server.descriptors import SPARE, allow_descriptors

SETTINGS = Settings(max_connections=1000, max_listeners=2000)
WANTED = 3000 + SPARE


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [
        (1024, 1 << 20, WANTED),
        (1024, resource.RLIM_INFINITY, WANTED),
        (WANTED, 1 << 20, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
        (1024, 2048, 2048),
    ],
)
def test_what_is_wanted_is_allowed_as_far_as_it_may_be(
    soft: int,
    hard: int,
    after: int | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changed: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: changed.append(limits))
    with caplog.at_level(logging.WARNING, "streamer.server.descriptors"):
        allow_descriptors(SETTINGS)
    assert changed == ([] if after is None else [(after, hard)])
    assert bool(caplog.records) == (after == 2048)
