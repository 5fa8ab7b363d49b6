"""A channel: a stream that outlives those who speak on it, with a clock of its own.

Sound comes when somebody speaks. While nobody does the clock goes on with silence, in real time, once the
listeners have hardly anything left. It is encoded once for each format that somebody asks for.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import numpy as np

from streamer.audio.formats import resolve
from streamer.config import Settings
from streamer.errors import ChannelLimit
from streamer.server.channels.formats import USUAL
from streamer.server.channels.publication import Publication
from streamer.server.channels.sound import Sound
from streamer.server.channels.story import Story, Thing
from streamer.server.channels.stream import Stream
from streamer.server.limits import RETRY_S
from streamer.server.metrics import Counters
from streamer.types import AudioFormat, Caption, Samples

LEAST_S = 0.25
"""Listeners who have less than this left are given silence. MP3 and AAC keep half of it inside."""
SILENCE_S = 0.2
"""So much at a time."""
BURST_S = 0.2
"""How often sound is encoded and sent while listeners have enough: a wake-up costs each of them more than
a packet does."""
EARLY_S = 0.5
"""Who has less than this left is sent more in half that time."""
LEAST_WAIT_S = 0.001
"""So that what is due in no time at all, by rounding, is not asked for again and again."""
REST_S = 5.0
"""An encoder that was heard so lately makes no room for another."""
GRACE_S = 5.0
"""Packets are kept for so much longer than anybody may go back, so that who does can get them."""


class Channel:
    """`rate` is that of its sound. `run` is its clock, and ends when the channel does; `closed` is called
    when nobody may come any more."""

    def __init__(
        self,
        rate: int,
        settings: Settings,
        counters: Counters,
        clock: Callable[[], float],
        closed: Callable[[], None],
    ) -> None:
        self.rate = rate
        self.sound = Sound()
        self.story = Story()
        self.publication: Publication | None = None
        self.voice = self.engine = ""
        """Who spoke last."""
        self.characters = 0
        """Of the texts of all who have spoken, a line feed behind each."""
        self.listeners = 0
        self.over = False
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._closed = closed
        self._usual = frozenset(resolve(audio, rate) for audio in USUAL)
        self._streams: dict[AudioFormat, Stream] = {}
        self._tasks: dict[Stream, asyncio.Task[None]] = {}
        self._silence: Samples = np.zeros(round(SILENCE_S * rate), np.float32)
        self._dry_at = clock()
        self._left_at = -math.inf
        self._burst_at = -math.inf
        self._encoded = 0
        self._closing = False
        self._wake = asyncio.Event()
        self._captioned = asyncio.Event()

    @property
    def now(self) -> int:
        """The sample that is heard by who plays everything at its time."""
        return self.sound.end - round(max(0.0, self._lead()) * self.rate)

    def _lead(self) -> float:
        """Seconds of sound that such a one has left."""
        return self._dry_at - self._clock()

    def push(self, samples: Samples) -> int:
        """More sound; the sample at which it begins. Nobody hears what comes when it is over."""
        at = self.sound.end
        if self.over:
            return at
        self.sound.append(samples)
        self._dry_at = max(self._dry_at, self._clock()) + len(samples) / self.rate
        self._wake.set()
        return at

    def tell(self, thing: Thing) -> None:
        """What is said in sound that is here. Listeners are told with the next burst."""
        self.story.add(thing)
        if isinstance(thing, Caption):
            self._wake_readers()

    def _wake_readers(self) -> None:
        captioned, self._captioned = self._captioned, asyncio.Event()
        captioned.set()

    def leave(self, publication: Publication) -> None:
        """It speaks no more. The channel waits for another."""
        if self.publication is publication:
            self.publication = None
            self._left_at = self._clock()
            self._wake.set()

    def close(self) -> None:
        """End as soon as nobody speaks."""
        self._closing = True
        self._wake.set()

    def enter(self) -> None:
        """One more listener. Raises `ChannelLimit`. Who has left says so by `forget`."""
        limit = self._settings.channel_listeners
        if self.listeners >= limit:
            raise ChannelLimit(
                f"{limit} listen to this channel",
                param="channel",
                limit=limit,
                retry_after_s=RETRY_S,
            )
        self.listeners += 1
        self._counters.channel_listeners += 1

    def forget(self) -> None:
        """A listener has left."""
        self.listeners -= 1
        self._counters.channel_listeners -= 1

    def stream(self, audio: AudioFormat) -> Stream:
        """What is heard in this format. Raises `ChannelLimit`, or what is wrong with the format."""
        audio = resolve(audio, self.rate)
        return self._streams.get(audio) or self._open(audio)

    def unhear(self, stream: Stream) -> None:
        """A listener to it has left."""
        stream.listeners -= 1
        stream.idle_since = self._clock()

    def back(self, back_ms: float) -> int:
        """The sample that was heard so long ago, as far as anybody may go back."""
        back_s = min(back_ms / 1000, self._settings.channel_back_s)
        return max(0, self.now - round(back_s * self.rate))

    def at_ms(self, ms: float) -> int:
        """The sample at that time of the channel, as far back as anybody may go, but not beyond now."""
        return max(self.back(math.inf), min(round(ms * self.rate / 1000), self.now))

    async def captions(self, told: int) -> None:
        """Wait until there is another one, or the channel is over; not where the story has gone on since it
        had `told` so much."""
        if not self.over and self.story.next == told:
            await self._captioned.wait()

    async def run(self) -> None:
        """Keep the clock until the channel ends, or this is cancelled; nothing runs of it then."""
        try:
            while not self._ended():
                self._go_on()
                self._wake.clear()
                try:
                    async with asyncio.timeout(self._patience()):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            self._end()
            for stream in self._streams.values():
                stream.close()
            if self._tasks:
                await asyncio.wait(self._tasks.values())
        finally:
            self._end()
            for task in self._tasks.values():
                task.cancel()

    def _end(self) -> None:
        if not self.over:
            self.over = True
            self._closed()
            self._wake_readers()

    def _ended(self) -> bool:
        if self.publication is not None:
            return False
        return self._closing or self._clock() >= self._left_at + self._settings.channel_linger_s

    def _go_on(self) -> None:
        if self._lead() <= LEAST_S:
            self.push(self._silence)
        if self._burst_in() <= 0:
            self._encoded, self._burst_at = self.sound.end, self._clock()
            kept = self._kept()
            self.sound.keep(kept)
            self.story.keep(kept)
            self._retire()
            for stream in self._streams.values():
                stream.go_on()

    def _burst_in(self) -> float:
        """Seconds until what there is has to be encoded."""
        unsent = (self.sound.end - self._encoded) / self.rate
        if not unsent:
            return math.inf
        early = self._lead() - unsent < EARLY_S
        return self._burst_at + (BURST_S / 2 if early else BURST_S) - self._clock()

    def _patience(self) -> float:
        due = [self._lead() - LEAST_S, self._burst_in()]
        if self.publication is None:
            due.append(self._left_at + self._settings.channel_linger_s - self._clock())
        return max(LEAST_WAIT_S, min(due))

    def _kept(self) -> int:
        back_s = self._settings.channel_back_s + GRACE_S
        return self.now - round(back_s * self.rate)

    def _open(self, audio: AudioFormat) -> Stream:
        if audio not in self._usual:
            self._make_room()
        stream = Stream(audio, self.sound, self.story, self.rate, self._clock())
        task = asyncio.create_task(stream.run(self._kept))
        self._streams[audio] = stream
        self._tasks[stream] = task
        self._counters.channel_encoders += 1
        task.add_done_callback(lambda _: self._gone(stream))
        return stream

    def _make_room(self) -> None:
        """For another format that is not usual. Raises `ChannelLimit`."""
        limit = self._settings.channel_formats
        others = [stream for audio, stream in self._streams.items() if audio not in self._usual]
        if len(others) < limit:
            return
        due = {stream.due(REST_S): stream for stream in others if not stream.listeners}
        first, now = min(due, default=math.inf), self._clock()
        if first > now:
            raise ChannelLimit(
                f"it is encoded in {limit} formats besides the usual ones",
                param="audio",
                limit=limit,
                retry_after_s=math.ceil(1000 * (first - now)) / 1000 if due else REST_S,
            )
        self._drop(due[first])

    def _gone(self, stream: Stream) -> None:
        self._counters.channel_encoders -= 1
        del self._tasks[stream]
        self._drop(stream)
        stream.stop()  # also where it never began

    def _drop(self, stream: Stream) -> None:
        """Let it end; who comes next gets another."""
        stream.close()
        if self._streams.get(stream.encoder.format) is stream:
            del self._streams[stream.encoder.format]

    def _retire(self) -> None:
        """Drop the encoders that nobody has listened to in a while."""
        now, rest_s = self._clock(), self._settings.channel_back_s
        for stream in list(self._streams.values()):
            if not stream.listeners and stream.due(rest_s) < now:
                self._drop(stream)
