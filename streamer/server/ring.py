"""What each context said lately, kept for a client that may come back. Pure: the clock is passed in."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from streamer.config import Settings
from streamer.types import Audio, Event, Started

Message = str | bytes

LISTENS = 8
"""Who listens to a channel has so small a part of the bytes, since there may be many of them: 30 s of Opus or
MP3 at 128 kbit/s. What a ring has no room for waits in the channel."""


@dataclass(frozen=True, slots=True)
class _Kept:
    message: Message
    seconds: float
    """Of sound in it."""

    @property
    def size(self) -> int:
        return sys.getsizeof(self.message)


@dataclass(slots=True)
class _Load:
    """What some messages take: bytes of memory, and seconds of sound."""

    max_s: float
    max_bytes: int
    seconds: float = 0.0
    size: int = 0

    def add(self, kept: _Kept, sign: int = 1) -> None:
        self.seconds += sign * kept.seconds
        self.size += sign * kept.size

    def over(self, factor: int = 1) -> bool:
        return self.size > factor * self.max_bytes or self.seconds > factor * self.max_s


class Ring:
    """The newest messages of one context, exactly as they are sent; the n-th has the sequence number n.

    Those that a socket has taken, which may not have arrived, and those that wait for a socket are each
    held to `max_s` seconds of sound and `max_bytes`: the former are let go then (twice as many are kept for
    a moment after a resume), the latter make it `full`.
    """

    def __init__(self, max_s: float, max_bytes: int) -> None:
        self.next = 0
        """Sequence number of the next message."""
        self._taken: deque[_Kept] = deque()
        self._waiting: deque[_Kept] = deque()
        self._taken_load = _Load(max_s, max_bytes)
        self._waiting_load = _Load(max_s, max_bytes)
        self._rate = 0

    @property
    def first(self) -> int:
        """Sequence number of the oldest message that is still here."""
        return self.sent - len(self._taken)

    @property
    def sent(self) -> int:
        """So many messages have been handed to a socket."""
        return self.next - len(self._waiting)

    @property
    def full(self) -> bool:
        """Nothing more should wait for a socket."""
        return self._waiting_load.over()

    @property
    def size(self) -> int:
        """Bytes of memory that all of it takes."""
        return self._taken_load.size + self._waiting_load.size

    def keep(self, event: Event, message: Message) -> None:
        """The context's next message, about to be sent."""
        seconds = 0.0
        if isinstance(event, Started):
            self._rate = event.audio.sample_rate or 0
        elif isinstance(event, Audio) and self._rate:
            seconds = event.packet.duration / self._rate
        kept = _Kept(message, seconds)
        if not self._waiting:
            self._let_go(slowly=2)
        self.next += 1
        self._waiting.append(kept)
        self._waiting_load.add(kept)

    def hand(self, sequence: int) -> None:
        """All up to and with this one are handed to a socket."""
        while self.sent <= sequence and self._waiting:
            kept = self._waiting.popleft()
            self._waiting_load.add(kept, -1)
            self._taken.append(kept)
            self._taken_load.add(kept)
        self._let_go()

    def covers(self, sequence: int) -> bool:
        """Whether a client that has all before this one can get the rest: it can't have what no socket
        was handed."""
        return self.first <= sequence <= self.sent

    def since(self, sequence: int) -> Iterator[tuple[int, Message]]:
        """Messages from this one on, with their sequence numbers, as they are now."""
        rest = list(islice(chain(self._taken, self._waiting), sequence - self.first, None))
        return enumerate((kept.message for kept in rest), sequence)

    def seconds_since(self, sequence: int) -> float:
        """Of sound in the messages from this one on."""
        kept = islice(chain(self._taken, self._waiting), max(0, sequence - self.first), None)
        return sum(one.seconds for one in kept)

    def _let_go(self, slowly: int = 0) -> None:
        """All beyond twice the bound, and so many of those beyond it: what has just been sent again goes two
        for each one that comes, since the socket may be lost again before it has arrived."""
        load = self._taken_load
        while self._taken and load.over(1 if slowly > 0 else 2):
            load.add(self._taken.popleft(), -1)
            slowly -= 1


@dataclass(frozen=True, slots=True)
class Ended:
    """A context that is over: its last messages, the code points of its input, and when it ended."""

    ring: Ring
    received: int
    at: float


class Rings:
    """The rings of one connection; those of contexts that have ended are kept for `max_s` too, `most` of
    them at most. With none of these there are no rings at all."""

    def __init__(self, max_s: float, max_bytes: int, most: int) -> None:
        self.ended: dict[str, Ended] = {}
        """The newest of each name, the oldest first."""
        self._max_s = max_s
        self._max_bytes = max_bytes
        self._most = most

    @classmethod
    def of(cls, settings: Settings) -> Rings:
        """Of twice as many contexts that have ended as can be live."""
        return cls(settings.resume_s, settings.resume_bytes, 2 * settings.max_contexts)

    @classmethod
    def none(cls) -> Rings:
        """Of a client that nobody would wait for."""
        return cls(0, 0, 0)

    def new(self, *, listens: bool = False) -> Ring | None:
        """Of a context that speaks, or `listens` to a channel."""
        max_bytes = self._max_bytes // LISTENS if listens else self._max_bytes
        return Ring(self._max_s, max_bytes) if self._most else None

    def retire(self, context: str, ended: Ended, *, failed: bool = False) -> None:
        """A context has ended, or is about to: the one of that name that ended before is forgotten. But not
        for one that `failed` and said nothing else: text that crossed the other's end had begun it."""
        if failed and not ended.ring.next and context in self.ended:
            return
        self.ended.pop(context, None)
        self.ended[context] = ended
        while len(self.ended) > self._most:
            del self.ended[next(iter(self.ended))]

    def forget(self, context: str) -> None:
        """Nobody will ask for the context of that name that has ended."""
        self.ended.pop(context, None)

    def age(self, now: float) -> None:
        """Forget what ended too long ago. Not to be called while the client is away."""
        for name in [name for name, old in self.ended.items() if old.at + self._max_s < now]:
            del self.ended[name]
