"""A context that listens to a channel: the packets that all listeners of its format get, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import NoReturn

from streamer.errors import NotAvailable, StalledReader, StreamerError
from streamer.server.channels.packets import Burst
from streamer.server.channels.place import Place
from streamer.server.channels.story import moved, wanted
from streamer.server.metrics import Counters
from streamer.timeline import HEARD_MARGIN_S, Clock
from streamer.types import (
    Audio,
    Cue,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Packet,
    Paused,
    Started,
    Subscribe,
    Text,
)
from streamer.voices import Speaker


class Subscription:
    """A `Speaking` that takes nothing and costs nothing. Its clock is the channel's."""

    def __init__(self, command: Subscribe, place: Place, counters: Counters) -> None:
        self._command = command
        self._place = place
        self._counters = counters
        self._first = self._end = 0
        """Where what was sent begins and ends, on the channel's clock at the rate of the format."""
        self._played: int | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        place, context = self._place, self._command.context
        try:
            await place.find()
            yield self._started()
            head = place.stream.encoder.head
            while True:
                burst = await place.more()
                for event in self._news():
                    yield event
                if burst is None:
                    break
                for audio in self._audio(burst, head):
                    yield audio
                    self._end = audio.packet.pts + audio.packet.duration
                    head = b""
                await asyncio.sleep(0)  # all of what is long past is at hand at once
            yield self.done("end")
        except StreamerError as error:
            if isinstance(error, StalledReader):
                self._counters.channel_listeners_cut += 1
            yield Failed(error, context)
        finally:
            self.release()

    def release(self) -> None:
        """It listens no more."""
        self._place.leave()

    def _started(self) -> Started:
        place, encoder = self._place, self._place.stream.encoder
        begins = place.number == 0
        self._first = self._end = place.stream.at(place.begins)
        return Started(
            self._command.context,
            encoder.format,
            encoder.mime,
            encoder.header,
            encoder.lead_in if begins else 0,
            place.channel.voice,
            place.channel.engine,
            0,
        )

    def _audio(self, burst: Burst, head: bytes) -> Iterator[Audio]:
        place = self._place
        packets = burst.packets[place.number - burst.first :]
        for packet in packets:
            first = place.number in burst.begins
            place.number += 1
            last = place.stream.over and place.number == place.stream.packets.next
            if head:
                packet = Packet(head + packet.data, packet.pts, packet.duration)
                head = b""
            yield Audio(self._command.context, packet, first, last)

    def _news(self) -> Iterator[Event]:
        place, command = self._place, self._command
        for told in place.told():
            event = moved(told.event, command.context, place.stream.at)
            shown = wanted(event, command.timestamps, captions=command.captions)
            if shown is not None:
                yield shown

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        """How far it was heard: there is no input of which something was not."""
        stream = self._place.stream
        if played_ms is not None:
            self.played(played_ms)
        clock: Clock = "client"
        if (played := self._played) is None:
            clock = "server"
            margin = round(HEARD_MARGIN_S * stream.sample_rate)
            played = stream.at(self._place.channel.now) - margin
        played = max(self._first, 0, min(played, self._end))
        return Interrupted(self._command.context, "", (), "", played, clock)

    def done(self, reason: EndReason) -> Done:
        channel, rate = self._place.channel, self._place.stream.sample_rate
        end = max(0, self._end)
        return Done(
            self._command.context,
            reason,
            end,
            round(1000 * end / rate, 3),
            0,
            None,
            channel.engine,
        )

    def played(self, played_ms: float) -> None:
        self._played = round(played_ms * self._place.stream.sample_rate / 1000)

    @property
    def characters(self) -> int:
        return 0

    @property
    def seconds(self) -> float:
        """None was made for it."""
        return 0.0

    @property
    def underruns(self) -> int:
        return 0

    @property
    def cost(self) -> float:
        return 0.0

    @property
    def rate(self) -> int:
        return self._place.channel.rate

    @property
    def received(self) -> int:
        return 0

    @property
    def epoch(self) -> int:
        return 0

    @property
    def pending(self) -> int:
        return 0

    def pause(self, played_ms: float | None = None) -> Paused:
        self._refuse()

    def go_on(self) -> None:
        self._refuse()

    def rehearse(self) -> Speaker:
        self._refuse()

    def quote(self, command: Text) -> float:
        self._refuse()

    def text(self, command: Text) -> None:
        self._refuse()

    def cue(self, command: Cue) -> None:
        self._refuse()

    def flush(self) -> None:
        self._refuse()

    def end(self) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotAvailable("this context listens to a channel, and takes nothing", param="type")
