"""The clock of a channel, what it keeps and for how long, on a loop whose waits take no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import cycle
from typing import Any

import numpy as np
import pytest

from streamer.audio.encoder import Encoder
from streamer.config import Settings
from streamer.errors import ChannelLimit, StalledReader
from streamer.server.channels import Place
from streamer.server.channels.channel import GRACE_S, LEAST_S, REST_S, SILENCE_S, Channel
from streamer.server.channels.formats import FORMATS, USUAL
from streamer.server.channels.http import QUIET_S
from streamer.server.metrics import Counters
from streamer.types import AudioFormat, Caption, Packet, Samples, Word, Words
from tests import virtual_time

RATE = 24000
RAW = AudioFormat("pcm_s16le")


def tone(seconds: float) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[tuple[Channel, Counters]]:
    """A channel that nobody speaks on, but that stays open for an hour."""
    changes.setdefault("channel_linger_s", 3600.0)
    counters, closed = Counters(), []
    channel = Channel(
        RATE,
        replace(Settings(), **changes),
        counters,
        asyncio.get_running_loop().time,
        lambda: closed.append(True),
    )
    channel._left_at = asyncio.get_running_loop().time()
    task = asyncio.create_task(channel.run())
    yield channel, counters
    channel.close()
    await task
    assert closed == [True]
    assert counters.channel_encoders == counters.channel_listeners == 0


async def data_of(place: Place) -> bytes:
    """All there is to come."""
    data = b""
    while (burst := await place.more()) is not None:
        data += place.take(burst)
    return data


def test_silence_comes_in_real_time() -> None:
    async def main() -> None:
        async with running() as (channel, _):
            for seconds in range(1, 60):
                await asyncio.sleep(1)
                ahead_s = channel.sound.end / RATE - seconds
                assert 0 < ahead_s <= LEAST_S + SILENCE_S + 0.001
                assert abs(channel.now / RATE - seconds) < 0.001

    virtual_time.run(main())


def test_sound_ahead_of_its_time_is_waited_out() -> None:
    async def main() -> None:
        async with running() as (channel, _):
            await asyncio.sleep(1)
            begin = channel.push(tone(10.0))
            end = channel.sound.end
            await asyncio.sleep(9.5)
            assert channel.sound.end == end == begin + 10 * RATE
            await asyncio.sleep(2)
            assert channel.sound.end > end

    virtual_time.run(main())


def test_what_is_kept_is_bounded() -> None:
    async def main() -> None:
        async with running(channel_back_s=10.0) as (channel, _):
            place = Place(channel, FORMATS["mp3"], 0)
            await place.find()
            for _ in range(1200):
                burst = await place.more()
                assert burst is not None
                place.take(burst)
            kept_s = (channel.sound.end - channel.sound.start) / RATE
            assert 10.0 + GRACE_S <= kept_s < 10.0 + GRACE_S + 1
            packets = place.stream.packets
            assert (packets.next - packets.first) * 576 / RATE < 10.0 + GRACE_S + 1
            assert packets.first > 0
            place.leave()

    virtual_time.run(main())


@pytest.mark.parametrize("kind", FORMATS)
def test_all_who_join_get_the_packets_of_the_first(kind: str) -> None:
    async def main() -> None:
        places: list[Place] = []
        tasks = []
        async with running(channel_linger_s=20.0) as (channel, _):
            for _ in range(12):
                places.append(Place(channel, FORMATS[kind], channel.back(1000.0 * len(places))))
                await places[-1].find()
                tasks.append(asyncio.create_task(data_of(places[-1])))
                channel.push(tone(0.7))
                await asyncio.sleep(1.1)
            channel.close()
            first, *others = await asyncio.gather(*tasks)
            assert all(first.endswith(other) and other for other in others)
            assert len({len(other) for other in others}) > 5
            for place in places:
                place.leave()

    virtual_time.run(main())


def test_a_format_that_is_asked_for_later_has_what_was_kept() -> None:
    async def main() -> None:
        async with running() as (channel, _):
            sound = tone(8.0)
            begin = channel.push(sound)
            await asyncio.sleep(9)
            early = Place(channel, RAW, 0)
            at_8k = Place(channel, replace(RAW, sample_rate=8000), channel.back(3000.0))
            await early.find()
            await at_8k.find()
            assert early.begins == 0
            begins = at_8k.begins
            assert channel.now - at_8k.begins == pytest.approx(3 * RATE, abs=480)
            channel.close()
            heard = np.frombuffer(await data_of(early), np.int16) / 32768
            assert np.abs(heard[begin : begin + len(sound)] - sound).max() < 0.001
            rest = np.frombuffer(await data_of(at_8k), np.int16)
            assert begins // 3 + len(rest) == -(-channel.sound.end // 3)
            for place in (early, at_8k):
                place.leave()

    virtual_time.run(main())


def test_who_falls_out_of_what_is_kept_is_cut_and_nobody_else() -> None:
    async def main() -> None:
        async with running(channel_back_s=2.0) as (channel, _):
            slow, quick = (Place(channel, FORMATS["ogg"], 0) for _ in range(2))
            await slow.find()
            await quick.find()
            task = asyncio.create_task(data_of(quick))
            await asyncio.sleep(2.0 + GRACE_S + 1)
            with pytest.raises(StalledReader):
                await slow.more()
            for _ in range(100):
                channel.tell(words_at(channel.now))
                await asyncio.sleep(0.1)
            with pytest.raises(StalledReader):
                slow.told()
            channel.close()
            assert (await task).count(b"OggS") == quick.number
            slow.leave()
            quick.leave()

    virtual_time.run(main())


def test_encoders_that_nobody_hears_are_ended_after_a_while() -> None:
    async def main() -> None:
        async with running(channel_back_s=3.0) as (channel, counters):
            place = Place(channel, RAW, 0)
            other = Place(channel, FORMATS["aac"], 0)
            await asyncio.sleep(1)
            place.leave()
            place.leave()
            assert counters.channel_listeners == 1
            await asyncio.sleep(2)
            assert counters.channel_encoders == 2
            await asyncio.sleep(2)
            assert counters.channel_encoders == 1
            other.leave()

    virtual_time.run(main())


def test_a_format_makes_room_once_nobody_has_listened_for_a_while() -> None:
    async def main() -> None:
        async with running(channel_formats=1) as (channel, counters):
            Place(channel, RAW, 0).leave()
            for _ in range(2):
                with pytest.raises(ChannelLimit):
                    Place(channel, AudioFormat("flac"), 0)
                await asyncio.sleep(REST_S / 2)
            assert counters.channel_listeners == 0
            place = Place(channel, AudioFormat("flac"), 0)
            await place.find()
            assert counters.channel_encoders == 1
            place.leave()

    virtual_time.run(main())


def test_who_changes_formats_all_the_time_has_little_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded_s, push = 0.0, Encoder.push

    def counted(encoder: Encoder, samples: Samples) -> list[Packet]:
        nonlocal encoded_s
        encoded_s += len(samples) / RATE
        return push(encoder, samples)

    async def main() -> None:
        monkeypatch.setattr(Encoder, "push", counted)
        async with running(channel_formats=1) as (channel, _):
            await asyncio.sleep(60)
            begin, formats, heard = time(), cycle((8000, 12000, 16000)), 0
            while time() < begin + 200:
                try:
                    place = Place(channel, replace(RAW, sample_rate=next(formats)), 0)
                except ChannelLimit as refused:
                    wait_s = refused.details["retry_after_s"]
                    assert 0 < wait_s <= Settings().channel_back_s + GRACE_S + 1
                    await asyncio.sleep(wait_s)  # it is said truly: there is room then
                else:
                    heard += 1
                    await place.find()
                    assert place.number == 0
                    place.leave()
            assert heard > 3
            assert encoded_s < 2 * 200 + Settings().channel_back_s + GRACE_S + 1

    def time() -> float:
        return asyncio.get_running_loop().time()

    virtual_time.run(main())


def test_who_waits_for_a_format_that_is_heard_is_told_to_try_again() -> None:
    async def main() -> None:
        async with running(channel_formats=1) as (channel, _):
            place = Place(channel, RAW, 0)
            with pytest.raises(ChannelLimit) as refused:
                Place(channel, AudioFormat("flac"), 0)
            assert refused.value.details == {"limit": 1, "retry_after_s": REST_S}
            place.leave()

    virtual_time.run(main())


def test_whatever_else_is_asked_for_links_are_good() -> None:
    async def main() -> None:
        async with running(channel_formats=2) as (channel, counters):
            rates = (8000, 12000, 16000)
            places = [Place(channel, replace(RAW, sample_rate=rate), 0) for rate in rates[:2]]
            places += [Place(channel, audio, 0) for audio in USUAL]
            with pytest.raises(ChannelLimit):
                Place(channel, replace(RAW, sample_rate=rates[2]), 0)
            assert counters.channel_encoders == len(places) == 6
            for place in places:
                place.leave()

    virtual_time.run(main())


def test_a_caption_that_comes_while_another_is_read_waits_for_no_third() -> None:
    async def main() -> None:
        async with running() as (channel, _):
            place = Place(channel, None, 0)

            async def told(text: str) -> None:
                await asyncio.sleep(0.1)
                channel.tell(caption_at(channel.now, text))

            async with asyncio.timeout(QUIET_S / 2):
                other = asyncio.create_task(told("one"))
                await place.captions()
                assert texts(place) == ["one"]
                await told("two")  # while "one" is being sent
                await place.captions()
                assert texts(place) == ["two"]
                await other
            channel.tell(words_at(channel.now))
            await place.captions()
            list(place.told())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await place.captions()
            place.leave()

    virtual_time.run(main())


def test_who_reads_captions_is_not_cut_for_the_words_between_them() -> None:
    async def main() -> None:
        async with running(channel_back_s=0.0) as (channel, _):
            place, idle = Place(channel, None, 0), Place(channel, None, 0)
            for text in ("one", "two"):
                channel.tell(caption_at(channel.now, text))
                await place.captions()
                assert texts(place) == [text]
                for _ in range(round(10 * (GRACE_S + 2))):
                    channel.tell(words_at(channel.now))
                    await asyncio.sleep(0.1)
            with pytest.raises(StalledReader):
                idle.told()
            place.leave()
            idle.leave()

    virtual_time.run(main())


def test_what_comes_when_it_is_over_is_kept_by_nobody() -> None:
    async def main() -> None:
        async with running() as (channel, _):
            channel.close()
            await asyncio.sleep(1)
            end = channel.sound.end
            assert channel.push(tone(1.0)) == channel.sound.end == end

    virtual_time.run(main())


def test_a_channel_ends_when_nobody_comes_back() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with running(channel_linger_s=30.0) as (channel, _):
            begun, place = loop.time(), Place(channel, FORMATS["mp3"], 0)
            await place.find()
            data = await data_of(place)
            assert loop.time() - begun == pytest.approx(30.0, abs=0.01)
            assert len(data) == pytest.approx(30.3 * 8000, rel=0.01)
            assert channel.over
            place.leave()

    virtual_time.run(main())


def test_a_loop_that_was_stuck_leaves_no_hole() -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        async with running() as (channel, _):
            place = Place(channel, RAW, 0)
            await place.find()
            task = asyncio.create_task(data_of(place))
            for _ in range(5):
                await asyncio.sleep(1)
                loop._now += 3
            await asyncio.sleep(1)
            channel.close()
            assert len(await task) == 2 * channel.sound.end
            assert channel.sound.end / RATE < 10
            place.leave()

    virtual_time.run(main())


def words_at(position: int) -> Words:
    return Words("", (Word("x", position, position + 10, 0),), "model")


def caption_at(position: int, text: str) -> Caption:
    return Caption("", 0, text, position, position + 10, ())


def texts(place: Place) -> list[str]:
    """Of the captions it is told now."""
    return [item.event.text for item in place.told() if isinstance(item.event, Caption)]
