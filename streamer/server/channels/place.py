"""Where one listener is in a channel."""

from __future__ import annotations

from collections.abc import Iterator

from streamer.errors import StalledReader
from streamer.server.channels.channel import Channel
from streamer.server.channels.packets import Burst
from streamer.server.channels.story import Told
from streamer.server.channels.stream import Stream
from streamer.types import AudioFormat


class Place:
    """Of one who hears it from sample `since` on, in one format, or (None) only reads. `leave` gives it
    back. Raises `ChannelLimit`, or what is wrong with the format."""

    def __init__(self, channel: Channel, audio: AudioFormat | None, since: int) -> None:
        channel.enter()
        self.channel = channel
        self.audio = audio
        self.since = since
        self.number = 0
        """Of the next packet."""
        self._stream: Stream | None = None
        self._told = channel.story.first
        self._left = False
        try:
            if audio is not None:
                self._stream = channel.stream(audio)
                self._stream.listeners += 1
        except BaseException:
            self.leave()
            raise

    @property
    def stream(self) -> Stream:
        assert self._stream is not None
        return self._stream

    async def find(self) -> None:
        """Wait until the sound that was there is encoded, and go to the packet. Raises what the encoder
        failed by."""
        if self._stream is not None:
            await self._stream.caught_up()
            if self._stream.failure is not None:
                raise self._stream.failure
            self.number = self._stream.packets.find(self._stream.at(self.since))

    @property
    def begins(self) -> int:
        """The sample that its next packet begins with, or what it reads."""
        if self._stream is None:
            return self.since
        return self._stream.position(self._stream.packets.begin(self.number))

    def take(self, burst: Burst) -> bytes:
        """The packets of it that are next, in one piece."""
        begin, self.number = self.number - burst.first, burst.next
        if not begin:
            return burst.data
        return b"".join(packet.data for packet in burst.packets[begin:])

    def at_hand(self) -> Burst | None:
        """The burst with the next packet, if it is there."""
        return self.stream.packets.at(self.number)

    async def more(self) -> Burst | None:
        """The burst with the next packet, once it is there; None at the end. Raises `StalledReader`, or what
        the encoder failed by."""
        return await self.stream.more(self.number)

    def told(self) -> Iterator[Told]:
        """What was told since this was asked, of sound from `since` on. Raises `StalledReader`."""
        story = self.channel.story
        if self._told < (story.captions_gone if self.audio is None else story.first):
            raise StalledReader("too slow: what comes next is not kept any more")
        news = story.since(self._told)
        self._told = story.next
        return (told for told in news if told.end >= self.since)

    async def captions(self) -> None:
        """Wait until more was told than this was, with a caption in it maybe, or the channel is over."""
        await self.channel.captions(self._told)

    def leave(self) -> None:
        """Once, however often it is called."""
        if self._left:
            return
        self._left = True
        self.channel.forget()
        if self._stream is not None:
            self.channel.unhear(self._stream)
