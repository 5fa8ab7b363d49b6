"""Captions on a channel whose publisher is stuck or away: who listens hears them at their time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from streamer.captions.session import CaptionSession
from streamer.config import Settings
from streamer.packets import Tap
from streamer.server.channels.channel import Channel
from streamer.server.channels.publication import Publication
from streamer.server.metrics import Counters
from streamer.server.speaking import KeepsTime
from streamer.types import AudioFormat, Cue, CueOptions, Event, SegmentStarted, Start
from streamer.voices import Catalogue
from tests import virtual_time
from tests.scripted_engine import ScriptedEngine

RATE = 24000


def spoken(stuck_s: float) -> Mapping[str, float]:
    """Seconds of the channel's clock at which cues of each second begin, the publisher's socket being stuck
    in the fourth; they are told there as on any channel."""

    async def run() -> Mapping[str, float]:
        clock = asyncio.get_running_loop().time
        engine = ScriptedEngine()

        def opened(start: Start, tap: Tap) -> Any:
            how: Any = {"catalogue": Catalogue({engine.name: engine}), "settings": Settings()}
            return CaptionSession(start, clock=clock, tap=tap, **how)

        audio, cues = AudioFormat("pcm_s16le", sample_rate=RATE), CueOptions(delay_ms=500)
        one = Publication(Start("c", audio=audio, input="captions", cues=cues), opened)
        channel = Channel(RATE, Settings(), Counters(), clock, lambda: None)
        one.enter(channel)
        running = asyncio.create_task(channel.run())
        for second in range(1, 10):
            one.cue(Cue("c", f"So it goes {'again ' * second}", str(second), 1000 * second))
        told: list[Event] = []
        begin, stuck = clock(), False
        async for event in one.events():
            told.append(event)
            if clock() - begin > 4.3 and not stuck:
                stuck = True
                await asyncio.sleep(stuck_s)
            if isinstance(event, SegmentStarted) and event.cue == "9":
                one.end()
        heard = [thing.event for thing in channel.story.since(0)]
        own = [event for event in told if isinstance(event, SegmentStarted)]
        assert (own[-1].shift > 0) == (stuck_s > 1)
        segments = [event for event in heard if isinstance(event, SegmentStarted)]
        assert [event.cue for event in segments] == [event.cue for event in own]
        assert not any(event.shift for event in segments)
        running.cancel()
        await asyncio.wait({running})
        return {str(event.cue): event.start / RATE for event in segments}

    return virtual_time.run(run())


@pytest.mark.parametrize("stuck_s", [0.01, 2.0])
def test_what_a_channel_fills_meanwhile_is_left_out_of_the_silence(stuck_s: float) -> None:
    starts = spoken(stuck_s)
    ahead = starts["1"] - 1
    assert starts["9"] - 9 == pytest.approx(ahead, abs=0.45)  # of the channel's own silence
    assert starts["9"] - starts["8"] == pytest.approx(1, abs=0.05)


def test_others_listen_while_a_publisher_is_away() -> None:
    """What he alone misses moves nothing."""
    assert not issubclass(Publication, KeepsTime)
