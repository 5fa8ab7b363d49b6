"""The latest packets of one format, in bursts: what was encoded at once, and is sent at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

from streamer.types import Packet


@dataclass(frozen=True)
class Burst:
    """Packets from number `first` on; `begins` are the numbers of those in which a segment begins."""

    first: int
    packets: tuple[Packet, ...]
    begins: frozenset[int] = frozenset()

    @property
    def next(self) -> int:
        return self.first + len(self.packets)

    @property
    def end(self) -> int:
        """Where its sound ends."""
        return self.packets[-1].pts + self.packets[-1].duration

    @cached_property
    def data(self) -> bytes:
        """All of it, joined once for all who send it so."""
        return b"".join(packet.data for packet in self.packets)


class PacketRing:
    """Packets are numbered from 0; the first begins at `pts`."""

    def __init__(self, pts: int) -> None:
        self._pts = pts
        self._bursts: deque[Burst] = deque()
        self.next = 0

    @property
    def first(self) -> int:
        """Number of the oldest packet there is."""
        return self._bursts[0].first if self._bursts else self.next

    def add(self, burst: Burst) -> None:
        self._bursts.append(burst)
        self.next = burst.next

    def keep(self, pts: int) -> None:
        """What ends before is not needed any more."""
        while self._bursts and self._bursts[0].end < pts:
            self._bursts.popleft()

    def at(self, number: int) -> Burst | None:
        """The burst that this packet is in; None if it is yet to come. Not for one that is gone."""
        for burst in reversed(self._bursts):
            if burst.first <= number:
                return burst if number < burst.next else None
        return None

    def begin(self, number: int) -> int:
        """Where this packet begins, or the next one."""
        if (burst := self.at(number)) is not None:
            return burst.packets[number - burst.first].pts
        return self._bursts[-1].end if self._bursts else self._pts

    def find(self, pts: int) -> int:
        """Number of the first packet that ends behind this; the next one where none does yet."""
        for burst in self._bursts:
            if burst.end > pts:
                for number, packet in enumerate(burst.packets, burst.first):
                    if packet.pts + packet.duration > pts:
                        return number
        return self.next
