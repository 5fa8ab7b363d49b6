"""Cues that a server may not have: kept to be said again over another socket."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from streamer.errors import TextLimit
from streamer.types import Cue

PER_CUE = 200
"""About what a cue takes in memory besides its text, in bytes."""
KNOWN = 256
"""Of so many ids it is remembered that the server has had a cue of theirs."""


class Cues:
    """Cues of one context, in the order in which they were said. A server reads in that order too: when it
    tells of one, it has all before it. They take about `bound` bytes of memory at most."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._held = 0
        self._said = 0
        self._numbered = 0
        self._waiting: deque[tuple[int, int, Cue]] = deque()
        self._places: dict[str, int] = {}
        self._known: OrderedDict[str, None] = OrderedDict()

    def number(self) -> str:
        """An id for a cue that has none."""
        self._numbered += 1
        return f"cue-{self._numbered}"

    def add(self, cue: Cue, behind: int) -> None:
        """`behind`: how many other commands of its context were said before it. Raises `TextLimit`."""
        size = _size(cue)
        if self._held + size > self._bound:
            raise TextLimit("too many cues wait to be spoken", param="text")
        self._held += size
        self._said += 1
        self._waiting.append((self._said, behind, cue))
        # What is told of an id may be of the first cue that had it: corrections wait for a later one.
        if cue.id not in self._known:
            self._places.setdefault(cue.id, self._said)

    def told(self, id: str) -> None:
        """The server has told of the cue."""
        self._know(id)
        place = self._places.get(id, 0)
        while self._waiting and self._waiting[0][0] <= place:
            number, _, cue = self._waiting.popleft()
            self._held -= _size(cue)
            self._know(cue.id)
            if self._places.get(cue.id) == number:
                del self._places[cue.id]

    def _know(self, id: str) -> None:
        """The server has had a cue of that id."""
        self._known[id] = None
        self._known.move_to_end(id)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def behind(self, least: int) -> Iterator[tuple[int, Cue]]:
        """Those that wait and were said behind so many other commands or more, each with how many those
        were."""
        return ((behind, cue) for _, behind, cue in self._waiting if behind >= least)


def _size(cue: Cue) -> int:
    return PER_CUE + len(cue.text.encode())
