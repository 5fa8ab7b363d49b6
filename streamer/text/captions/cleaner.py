"""What is to be spoken of a cue, and by whom."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from math import isfinite

from streamer.text.captions.cues import Dropped, ParsedCue
from streamer.text.captions.markup import voices
from streamer.text.captions.rollup import RollUp
from streamer.text.captions.sounds import without_asides, without_sounds
from streamer.text.captions.speakers import turn
from streamer.types import Descriptions

MOST_MS = 1e13
"""As far as times go in the protocol: they may be since 1970. Sessions have bounds of their own."""
_CHARACTER_MS = 65.0
"""How long a character takes, where a cue of several speakers has no end: 15 a second."""
_CARRIED_MS = 1000.0
_ENDS = tuple('.?!…。？！"”»)]♪')

_Said = tuple[str | None, str]


class Cleaner:
    """Cues in, one after the other; out come plain text and who speaks it.

    Markup, sound descriptions (kept, without their brackets, with "speak") and what earlier cues have shown
    already are left out. A cue of several speakers becomes several: "id", "id/2", ..., the time divided by
    how long their texts are. `speakers` are names that a line may begin with, in any case; others must be
    in capitals. A sentence that somebody named so has not finished goes on in the next cue.
    """

    def __init__(
        self, *, speakers: Collection[str] = (), descriptions: Descriptions = "skip"
    ) -> None:
        self._speakers = {name.casefold(): name for name in speakers}
        self._keep = descriptions == "speak"
        self._shown = RollUp()
        self._open: tuple[str | None, float | None] = None, None
        """A speaker in the middle of a sentence, and when that cue ended."""

    def clean(
        self, id: str, start_ms: float | None, end_ms: float | None, text: str
    ) -> list[ParsedCue | Dropped]:
        """The cues to speak, in order; or the one that is not spoken. The same `id` corrects a cue."""
        if not _possible(start_ms, end_ms):
            return [Dropped(id, "invalid")]
        lines = [(who, line) for who, plain in voices(text) for line in plain.split("\n") if line]
        if not any(map(_spoken, (line for _, line in lines))):
            notes = any("♪" in line or "♫" in line for _, line in lines)
            return [Dropped(id, "description" if notes else "empty", end_ms)]
        count, characters = self._shown.repeated(id, start_ms, end_ms, [line for _, line in lines])
        lines = lines[count:]
        if lines and characters:
            lines[0] = (lines[0][0], lines[0][1][characters:])
        if not any(map(_spoken, (line for _, line in lines))):
            return [Dropped(id, "repeat", end_ms)]
        said = list(self._said(lines, start_ms))
        if not said:
            return [Dropped(id, "description", end_ms)]
        who, last = said[-1]
        ended = who is None or lines[-1][0] is not None or last.endswith(_ENDS)
        self._open = (None, None) if ended else (who, end_ms)
        return list(_divided(id, start_ms, end_ms, said))

    def _said(self, lines: Sequence[_Said], start_ms: float | None) -> Iterator[_Said]:
        """Who says what, a speaker once in a row."""
        turns = (part for who, group in groupby(lines, _who) for part in self._turns(who, group))
        named = False
        found: list[_Said] = []
        for changed, who, text in turns:
            named = named or changed or who is not None
            if not _spoken(text):
                continue
            if not named and who is None:
                who = self._carried(start_ms)
            found.append((who, text))
        for who, group in groupby(found, _who):
            yield who, " ".join(word for _, text in group for word in text.split())

    def _turns(
        self, voice: str | None, lines: Iterator[_Said]
    ) -> Iterator[tuple[bool, str | None, str]]:
        """Lines of one `<v Name>`, or of none: whether somebody else speaks, who, and what."""
        text = "\n".join(line for _, line in lines)
        text = without_sounds(text, keep=self._keep, known=self._known)
        who = self._spelled(voice) if voice else None
        for line in text.split("\n"):
            line = without_asides(" ".join(line.split()), keep=self._keep, known=self._known)
            changed, name, rest = turn(line, self._known)
            if changed:
                who = self._spelled(name) if name else None
                rest = without_asides(rest, keep=self._keep, known=self._known)
            yield changed, who, rest

    def _known(self, name: str) -> bool:
        return name.casefold() in self._speakers

    def _spelled(self, name: str) -> str:
        """A name as `speakers` has it."""
        return self._speakers.get(name.casefold(), name)

    def _carried(self, start_ms: float | None) -> str | None:
        """Who has not finished a sentence."""
        name, end_ms = self._open
        late = start_ms is not None and end_ms is not None and start_ms > end_ms + _CARRIED_MS
        return None if late else name


def _possible(start_ms: float | None, end_ms: float | None) -> bool:
    """Whether these are times of a cue: WebVTT wants an end behind the start."""
    known = [time for time in (start_ms, end_ms) if time is not None]
    if not all(isfinite(time) and 0.0 <= time <= MOST_MS for time in known):
        return False
    return start_ms is None or end_ms is None or start_ms < end_ms


def _divided(
    id: str, start_ms: float | None, end_ms: float | None, said: Sequence[_Said]
) -> Iterator[ParsedCue]:
    total = sum(len(text) for _, text in said)
    each = _CHARACTER_MS
    if start_ms is not None and end_ms is not None:
        each = (end_ms - start_ms) / total
    before = 0
    for index, (who, text) in enumerate(said):
        start = end = None
        behind = before + len(text)
        if start_ms is not None:
            start, end = start_ms + before * each, start_ms + behind * each
        before = behind
        if index == len(said) - 1:
            end = end_ms
        if index:
            yield ParsedCue(f"{id}/{index + 1}", start, end, text, who, id)
        else:
            yield ParsedCue(id, start, end, text, who)


def _who(said: _Said) -> str | None:
    return said[0]


def _spoken(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(map(str.isalnum, text))
