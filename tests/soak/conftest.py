"""Servers of their own for the soak tests: what is measured is one server's memory, log and end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server_process import ServerProcess, running_server


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    """A server of tones for one test."""
    with running_server("tone") as server:
        yield server


@pytest.fixture
def own_hibari_server() -> Iterator[ServerProcess]:
    """A server that speaks English, for one test."""
    with running_server("hibari") as server:
        yield server
