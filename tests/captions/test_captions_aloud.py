"""The embedded voice speaks captions, in this process and over the real server."""

import asyncio
from collections.abc import Iterator

import pytest
import uvloop

from bench.captions import MOST_LATE_MS, listen, of_file, of_live, script
from streamer.config import Settings
from streamer.engines.hibari import Hibari, open_engine
from streamer.types import CueOptions, Done, OptionsUpdate, SegmentStarted
from tests.captions.heard import spoken
from tests.captions.talk import talk, vtt
from tests.server_process import running_server


@pytest.fixture(scope="module")
def voice() -> Iterator[Hibari]:
    engine = open_engine(Settings(workers=1))
    yield engine
    asyncio.run(engine.aclose())


def test_a_minute_is_heard_at_its_times() -> None:
    figures = of_file(60, seed=5)
    assert figures["length_exact"]
    assert figures["untold"] == 0
    assert figures["onset_worst_ms"] <= 50
    assert figures["spoken"] + figures["skipped"] == figures["cues"]


def test_the_same_seed_is_the_same_sound(voice: Hibari) -> None:
    text = vtt(talk(20, seed=2, dense=0.5))
    cues = CueOptions(max_late_ms=60000)

    async def both() -> None:
        first = await spoken(text, voice, cues=cues, options=OptionsUpdate(seed=7))
        again = await spoken(text, voice, cues=cues, options=OptionsUpdate(seed=7))
        assert first.sound.tobytes() == again.sound.tobytes()
        assert first.of(SegmentStarted) == again.of(SegmentStarted)
        assert max(first.rates.values()) == 1.35
        assert len(first.of(Done)) == 1

    asyncio.run(both())


def test_live_cues_are_spoken_or_told_over_a_socket() -> None:
    sent = script(talk(9, seed=8, dense=0.2), seed=8)
    with running_server() as server:
        figures = of_live(uvloop.run(listen(server.websocket_url, sent)), sent)
    assert figures["missing"] == 0
    assert figures["untold"] == 0
    assert figures["late_worst_ms"] <= MOST_LATE_MS
