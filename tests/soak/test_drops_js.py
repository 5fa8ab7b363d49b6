"""Two hundred lost sockets of the JavaScript client in node, cut after any number of bytes."""

from __future__ import annotations

import pytest

from tests.js.tools import SERVER_TESTS, node_tests
from tests.server_process import running_server

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(300),
    pytest.mark.requires("node", "nodejs"),
]


def test_200_lost_sockets_are_not_heard() -> None:
    with running_server("tone") as server:
        node_tests([SERVER_TESTS], 280, SERVER_URL=server.url, DROPS="200")
