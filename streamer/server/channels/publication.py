"""A session whose sound is heard on a channel too. Where it ends, and how, is its own business."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streamer.audio.resampler import Resampler
from streamer.errors import NotAvailable
from streamer.packets import Tap
from streamer.server.channels.story import Thing, moved, span_of, wanted
from streamer.server.speaking import Speaking
from streamer.types import (
    Audio,
    Caption,
    Cue,
    Done,
    EndReason,
    Event,
    Failed,
    Interrupted,
    Mark,
    Paused,
    Samples,
    SegmentStarted,
    Start,
    Started,
    Text,
    Words,
)
from streamer.voices import Speaker

if TYPE_CHECKING:
    from streamer.server.channels.channel import Channel

FADE_S = 0.01
"""Sound that is stopped fades out so fast."""
ANCHORS = 64
"""So many joins of the two clocks are kept: words are told no later than a segment behind their sound."""

OpenTapped = Callable[[Start, Tap], Speaking]


class Publication:
    """A `Speaking`. The channel is given sound once all that the session says of it is known, and is told of
    words once it has their sound: so they are right on its clock, whatever silence it puts between."""

    def __init__(self, start: Start, open_session: OpenTapped) -> None:
        self._start = start
        everything = replace(start, timestamps="word", captions=True)
        self._session = open_session(everything, self._tapped)
        self._channel: Channel | None = None
        self._resampler: Resampler | None = None
        self._sample_rate = 1
        self._sound: list[Samples] = []
        """Not yet given to the channel."""
        self._given = 0
        """Samples at the channel's rate."""
        self._waiting: deque[tuple[int, Thing]] = deque()
        """Told by the session, with the sample it is for, of which the channel does not have the sound."""
        self._anchors: list[tuple[int, int]] = []
        """A sample of the session is this sample of the channel, and so on from there."""
        self._offset = self._length = 0
        """Of its text: where it begins in the channel's, and how much of it was told."""

    def enter(self, channel: Channel) -> None:
        """Speak on it."""
        self._channel = channel
        self._offset = channel.characters
        self._resampler = Resampler(self._session.rate, channel.rate)
        channel.publication = self

    def release(self) -> None:
        """The session is over, or is to be: what the channel does not have stays unheard."""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        self._sound = [_fading([channel.sound.last, *self._sound], round(FADE_S * channel.rate))]
        self._give(channel)
        self._waiting.clear()
        spoken = self._session.received if self._start.input == "text" else 0
        channel.characters = self._offset + max(spoken, self._length) + 1
        channel.leave(self)

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(self._session.events()) as events:
                async for event in events:
                    self._note(event)
                    if (told := self._own(event)) is not None:
                        yield told
        finally:
            self.release()

    def _own(self, event: Event) -> Event | None:
        """What its own client wants to be told of it."""
        if isinstance(event, Audio) and self._start.transport == "none":
            return None
        return wanted(event, self._start.timestamps, captions=self._start.captions)

    def _tapped(self, samples: Samples) -> None:
        if self._resampler is not None:
            samples = self._resampler.push(samples)
        if len(samples):
            self._sound.append(samples)

    def _note(self, event: Event) -> None:
        channel = self._channel
        if channel is None:
            return
        match event:
            case Started():
                assert event.audio.sample_rate is not None
                self._sample_rate = event.audio.sample_rate
                channel.voice, channel.engine = event.voice, event.engine
            case SegmentStarted() | Words() | Caption() | Mark():
                if isinstance(event, SegmentStarted):
                    self._length = max(self._length, event.offset + len(event.text))
                for thing in _apart(event):
                    self._waiting.append((span_of(thing)[0], thing))
                self._tell(channel)
            case Audio():
                self._give(channel)
            case Done():
                if self._resampler is not None:
                    self._sound.append(self._resampler.flush())
                self._give(channel)
                self._tell(channel, everything=True)
            case Failed():
                self._give(channel)

    def _give(self, channel: Channel) -> None:
        for samples in self._sound:
            if len(samples):
                at = channel.push(samples)
                self._anchor(at)
                self._given += len(samples)
        self._sound.clear()
        self._tell(channel)

    def _anchor(self, at: int) -> None:
        if not self._anchors or at - self._given != self._anchors[-1][1] - self._anchors[-1][0]:
            self._anchors = [*self._anchors[1 - ANCHORS :], (self._given, at)]

    def _tell(self, channel: Channel, *, everything: bool = False) -> None:
        while self._waiting and (
            everything or self._at(channel, self._waiting[0][0]) < self._given
        ):
            _, thing = self._waiting.popleft()
            if self._anchors:
                channel.tell(moved(thing, "", lambda at: self._place(channel, at), self._offset))

    def _at(self, channel: Channel, position: int) -> int:
        """A sample of the session's output in samples given to the channel."""
        return round(position * channel.rate / self._sample_rate)

    def _place(self, channel: Channel, position: int) -> int:
        """A sample of the session's output on the channel's clock."""
        given = self._at(channel, position)
        index = bisect_right(self._anchors, given, key=lambda anchor: anchor[0])
        anchor, at = self._anchors[max(0, index - 1)]
        return max(0, at + given - anchor)

    # What is the session's.

    @property
    def characters(self) -> int:
        return self._session.characters

    @property
    def seconds(self) -> float:
        return self._session.seconds

    @property
    def underruns(self) -> int:
        return self._session.underruns

    @property
    def cost(self) -> float:
        return self._session.cost

    @property
    def rate(self) -> int:
        return self._session.rate

    @property
    def received(self) -> int:
        return self._session.received

    @property
    def epoch(self) -> int:
        return self._session.epoch

    @property
    def pending(self) -> int:
        return self._session.pending

    def pause(self, played_ms: float | None = None) -> Paused:
        """Raises `NotAvailable`: others listen."""
        raise NotAvailable("what is spoken on a channel can't be paused", param="type")

    def go_on(self) -> None:
        pass

    def rehearse(self) -> Speaker:
        return self._session.rehearse()

    def quote(self, command: Text) -> float:
        return self._session.quote(command)

    def text(self, command: Text) -> None:
        self._session.text(command)

    def cue(self, command: Cue) -> None:
        self._session.cue(command)

    def flush(self) -> None:
        self._session.flush()

    def end(self) -> None:
        self._session.end()

    def played(self, played_ms: float) -> None:
        self._session.played(played_ms)

    def interrupted(self, played_ms: float | None = None) -> Interrupted:
        return self._session.interrupted(played_ms)

    def done(self, reason: EndReason) -> Done:
        return self._session.done(reason)


def _apart(thing: Thing) -> Iterator[Thing]:
    """Words one by one: each is told once its own sound is there."""
    if isinstance(thing, Words):
        for word in thing.words:
            yield replace(thing, words=(word,))
    else:
        yield thing


def _fading(sound: list[Samples], length: int) -> Samples:
    """The first of these is what was heard last: how it goes on, fading out, or what there is instead."""
    after = np.concatenate(sound)[1:] if len(sound[0]) else np.concatenate(sound)
    after = after[:length] if len(after) else np.repeat(sound[0], length)
    return after * np.linspace(1.0, 0.0, len(after), dtype=np.float32) if after.any() else after[:0]
