"""An hour of captions is heard in time, and five minutes of live ones, over the real server."""

import pytest
import uvloop

from bench.captions import MOST_LATE_MS, listen, of_file, of_live, script
from tests.captions.talk import talk
from tests.server_process import running_server

pytestmark = pytest.mark.soak


@pytest.mark.timeout(900)
def test_an_hour_is_heard_in_time_without_drift_and_is_as_long_as_its_file() -> None:
    figures = of_file(3600, seed=1)
    assert figures["onset_worst_ms"] <= 50
    assert figures["length_exact"]
    assert figures["untold"] == 0
    assert figures["late"] > 0
    assert figures["hurried"] > figures["late"]
    assert figures["cues"] == figures["spoken"] + figures["skipped"]


@pytest.mark.timeout(600)
def test_live_bursts_corrections_and_silence_are_heard_in_time_and_what_is_not_is_told() -> None:
    sent = script(talk(300, seed=1, dense=0.02), seed=1)
    with running_server() as server:
        figures = of_live(uvloop.run(listen(server.websocket_url, sent)), sent)
    assert figures["missing"] == 0
    assert figures["untold"] == 0
    assert figures["late_worst_ms"] <= MOST_LATE_MS
    # What a machine that does much else leaves out is told, and later only until it has caught up.
    assert figures["late_p95_ms"] <= 300 + figures["dry_ms"], figures
    assert figures["heard_late_p95_ms"] <= 350 + figures["dry_ms"], figures
    # Where the listener's own machine stands still, the server has sent all in time.
    assert figures["heard_not_as_told_p95_ms"] <= 150 + figures["dry_ms"], figures
