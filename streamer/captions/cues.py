"""Cues that wait to be spoken, in the order of their times, and which were."""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from streamer.captions.takes import Take
from streamer.errors import StreamerError
from streamer.wishes import Wish

KNOWN = 1000
"""Cues that have begun and are still known by their ids, to be corrected or said to have been spoken."""

NEAR = 128
"""Cues that are looked at to see how long the first of them may last: thousands may have one time."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A cue, or a part of one that has several voices, or is long: `part` counts them, and those behind the
    first follow on it.

    `start` in samples; None: behind what is there. `due`: the end of its own time. `order` is by what it is
    sorted. `natural` is its sound as it was wished, `hurried` the same said faster, at `wanted`.
    """

    id: str
    part: int
    text: str
    start: int | None
    due: int | None
    order: int
    wish: Wish
    received_at: float
    timed: bool = True
    """Whether its client said when it is to begin."""
    of: str | None = None
    """As of `ParsedCue`."""
    natural: Take | None = None
    hurried: Take | None = None
    wanted: float = 1.0
    once: bool = False
    """It can't be said again: it is stretched."""
    failure: StreamerError | None = None
    made_at: float = 0.0
    over: bool = False
    """No take of it is wanted any more: it has begun, or another has its place."""

    @property
    def made(self) -> bool:
        """Whether it is known how it sounds, or that it doesn't."""
        return self.natural is not None or self.failure is not None


@dataclass(slots=True)
class Queue:
    """Sorted by `order`, equals as they came."""

    characters: int = 0
    """Of all that wait."""
    _cues: list[Waiting] = field(default_factory=list)
    _by_id: dict[str, list[Waiting]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._cues)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(self._cues)

    @property
    def head(self) -> Waiting | None:
        return self._cues[0] if self._cues else None

    @property
    def last_order(self) -> int:
        """0 where nothing waits."""
        return self._cues[-1].order if self._cues else 0

    def first(self, count: int) -> Sequence[Waiting]:
        return self._cues[:count]

    def of(self, id: str) -> Sequence[Waiting]:
        """The parts of a cue that wait."""
        return tuple(self._by_id.get(id, ()))

    def add(self, cue: Waiting) -> None:
        insort(self._cues, cue, key=lambda one: one.order)
        self._by_id.setdefault(cue.id, []).append(cue)
        self.characters += len(cue.text)

    def remove(self, cue: Waiting) -> None:
        self._cues.remove(cue)  # the head, or near it, but for corrections
        parts = self._by_id[cue.id]
        parts.remove(cue)
        if not parts:
            del self._by_id[cue.id]
        self.characters -= len(cue.text)

    def starts_behind(self, cue: Waiting) -> Iterator[int]:
        """Of those behind a cue, as far as they are `NEAR`."""
        return (one.start for one in self._behind(cue) if one.start is not None)

    def beside(self, cue: Waiting) -> Iterator[Waiting]:
        """Those behind a cue, as far as they are `NEAR`, that are to begin when it does."""
        return takewhile(lambda one: one.order == cue.order, self._behind(cue))

    def _behind(self, cue: Waiting) -> Iterator[Waiting]:
        behind = iter(self._cues[:NEAR])
        for one in behind:
            if one is cue:
                break
        return behind


class Begun:
    """The texts of the latest cues that have begun, by id, and where each began."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._known

    def add(self, id: str, text: str, start: int) -> None:
        """More of a cue has begun."""
        before = self._known.pop(id, None)
        if before is not None:
            text, start = f"{before[0]} {text}", before[1]
        self._known[id] = text, start
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def text(self, id: str) -> str:
        return self._known[id][0]

    def start(self, id: str) -> int:
        return self._known[id][1]


def rest_of(text: str, spoken: str) -> str | None:
    """What a text goes on with behind what was spoken of it: "" nothing; None: it is another text."""
    text, spoken = " ".join(text.split()), " ".join(spoken.split())
    if not text.startswith(spoken):
        return None
    rest = text[len(spoken) :]
    if rest[:1].isalnum() and spoken[-1:].isalnum():
        return None  # it ends within a word
    return rest.strip()
