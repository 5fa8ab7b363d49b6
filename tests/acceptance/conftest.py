"""Real servers for the acceptance tests: one per engine for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server_process import ServerProcess, running_server


@pytest.fixture(scope="session")
def hibari_server() -> Iterator[ServerProcess]:
    """A server that speaks English. Its log must stay free of faults: see `test_fuzz`."""
    with running_server("hibari") as server:
        yield server


@pytest.fixture(scope="session")
def tone_server() -> Iterator[ServerProcess]:
    """A server whose words are tones that can be counted."""
    with running_server("tone") as server:
        yield server
