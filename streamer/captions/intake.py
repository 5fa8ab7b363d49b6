"""What comes in: text of a file of captions, or cues by themselves, become cues that wait; corrections find
the one they are of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from streamer.captions import timing
from streamer.captions.cues import Begun, Queue, Waiting, rest_of
from streamer.errors import TextGap, UnknownVoice
from streamer.text.captions import Cleaner, CueReader, Dropped, ParsedCue
from streamer.text.segmenter import Segmenter
from streamer.types import Cue, OptionsUpdate, SkipReason, Start, Text
from streamer.voices import Catalogue
from streamer.wishes import Wish, Wishes

LONGEST = 600
"""Characters that are spoken in one go, so that a cue of any length holds a bounded amount of sound."""
Skip = Callable[[str, SkipReason], None]


class Intake:
    """The cues of one context. `skip` is told of those that are not spoken; `now` is the sample that is
    heard now, None where nobody listens. The captions are `longest` samples long at most."""

    def __init__(
        self,
        start: Start,
        catalogue: Catalogue,
        rate: int,
        clock: Callable[[], float],
        *,
        now: Callable[[], int | None],
        skip: Skip,
        longest: float = math.inf,
    ) -> None:
        options = start.cues
        self.wishes = Wishes(start, catalogue)
        self.queue = Queue()
        self.begun = Begun()
        self.origin_ms = options.origin_ms
        self.received = 0
        """Code points of text, cues not counted."""
        self.length = 0
        """The sample at which the last cue ends that is known."""
        self.cues = 0
        self._options = options
        self._clock = clock
        self._rate = rate
        self._now = now
        self._skip = skip
        self._longest = longest
        self._voices: dict[str, Wish] = {}
        self._speakers = {
            name.casefold(): self._voice(voice, "cues.speakers")
            for name, voice in options.speakers.items()
        }
        names, descriptions = tuple(options.speakers), options.descriptions
        self._reader = CueReader(speakers=names, descriptions=descriptions)
        self._cleaner = Cleaner(speakers=names, descriptions=descriptions)
        self._segmenting = start.options.language or "auto"
        self._numbered = 0
        self._corrected: dict[tuple[str, str], list[Waiting]] = {}
        """What was corrected last, by id and text: its takes are good for the same text at another time."""

    def new(self, command: Text) -> str:
        """What of a text has not come before. Raises `TextGap`."""
        if command.at is None:
            return command.text
        if command.at > self.received:
            raise TextGap(
                f"text at {command.at}, expected {self.received}",
                param="at",
                expected=self.received,
            )
        return command.text[self.received - command.at :]

    def text(self, piece: str) -> None:
        """Text of a file. Raises `InvalidCaptions`."""
        self.received += len(piece)
        self._take(self._reader.push(piece), None)

    def flush(self) -> None:
        """The block that is open ends here."""
        self._take(self._reader.flush(), None)

    def wish(self, voice: str | None) -> Wish:
        """How a cue is to be spoken, of a voice or a name, but for the names within it. Raises
        `UnknownVoice`."""
        if voice is None:
            return self.wishes.now
        return self._speakers.get(voice.casefold()) or self._voice(voice, "voice")

    def updated(self, options: OptionsUpdate) -> Wish:
        """What it would be with these. Raises what they deserve."""
        if options.voice is not None and options.voice.casefold() in self._speakers:
            return self.wish(options.voice)
        return self.wishes.updated(options)

    def cue(self, cue: Cue) -> None:
        """One by itself; of an `id` that is known: that one, corrected. Raises `UnknownVoice`."""
        wish = self.wish(cue.voice)
        id = cue.id or self._number()
        start_ms, end_ms = cue.start_ms, cue.end_ms
        waiting = self.queue.of(id)
        cleaned = self._cleaner.clean(id, start_ms, end_ms, cue.text)
        if id in self.begun:
            self._go_on(id, cleaned, wish)
            return
        if waiting and start_ms is None and waiting[0].timed:
            self._take(self._at_its_place(cleaned, waiting[0]), wish, id)
        else:
            self._take(cleaned, wish, id)

    def again(self, id: str) -> None:
        """A cue behind the end: one that was said twice, over another socket, or it is too late."""
        if id not in self.begun and not self.queue.of(id):
            self._skip(id, "late")

    def wishes_of_all(self) -> Iterator[Wish]:
        """Everyone who may be asked to speak."""
        yield self.wishes.now
        yield from self._speakers.values()

    def _at_its_place(
        self, cleaned: Iterable[ParsedCue | Dropped], before: Waiting
    ) -> Iterator[ParsedCue | Dropped]:
        """A correction of the text alone."""
        for one in cleaned:
            if isinstance(one, ParsedCue) and one.start_ms is None:
                end_ms = one.end_ms or self._ms(before.due)
                yield replace(one, start_ms=self._ms(before.order), end_ms=end_ms)
            else:
                yield one

    def _ms(self, position: int | None) -> float | None:
        return None if position is None else (self.origin_ms or 0.0) + position * 1000 / self._rate

    def _take(
        self, parsed: Iterable[ParsedCue | Dropped], wish: Wish | None, corrects: str | None = None
    ) -> None:
        if corrects is not None:
            self._forget(corrects)
        for one in parsed:
            if isinstance(one, Dropped):
                self._ends(one.end_ms)
                self._forget(one.id)
                self._skip(one.id, one.reason)
                continue
            if one.id in self.begun:
                self._go_on(one.id, [one], wish or self.wishes.now)
                continue
            self._forget(one.id, one.of)
            self._add(one, wish or self.wishes.now)

    def _forget(self, id: str, of: str | None = None) -> None:
        """What waits of a cue, or of one part of it, is not spoken: another text has its place."""
        waiting = [cue for cue in self.queue.of(id) if cue.of == of]
        waiting += self._parts(id)
        self._drop(waiting)

    def _drop(self, waiting: list[Waiting]) -> None:
        if waiting:
            self._corrected = {}
        for cue in waiting:
            cue.over = True
            self.queue.remove(cue)
            self._corrected.setdefault((cue.id, cue.text), []).append(cue)

    def _parts(self, id: str) -> Sequence[Waiting]:
        """What waits of a cue's other speakers; a cue may be called as they are."""
        found: list[Waiting] = []
        number = 2
        while True:
            part = f"{id}/{number}"
            cues = [cue for cue in self.queue.of(part) if cue.of == id]
            if not cues and part not in self.begun:
                return found
            found += cues
            number += 1

    def _ends(self, end_ms: float | None) -> None:
        if end_ms is not None:
            self.length = round(max(self.length, min(self._at(end_ms), self._longest)))

    def _at(self, ms: float) -> int:
        return timing.position(ms, self.origin_ms or 0.0, self._rate)

    def _add(self, cue: ParsedCue, wish: Wish) -> None:
        if self.origin_ms is None:
            self.origin_ms = cue.start_ms or 0.0
        start = self._now() if cue.start_ms is None else self._at(cue.start_ms)
        if start is not None and not 0 <= start < self._longest:
            self._skip(cue.id, "invalid")
            return
        self._ends(cue.end_ms)
        if cue.speaker is not None:
            wish = self._speakers.get(cue.speaker.casefold(), wish)
        due = None if cue.end_ms is None else self._at(cue.end_ms)
        order = self.queue.last_order if start is None else start
        timed = cue.start_ms is not None
        self._enqueue(cue.id, cue.text, start, due, order, wish, timed=timed, of=cue.of)

    def _enqueue(
        self,
        id: str,
        text: str,
        start: int | None,
        due: int | None,
        order: int,
        wish: Wish,
        *,
        timed: bool,
        of: str | None,
    ) -> None:
        self.cues += 1
        for part, piece in enumerate(_pieces(text, self._segmenting)):
            begin = None if part else start
            cue = Waiting(id, part, piece, begin, due, order, wish, self._clock(), timed, of)
            for before in self._corrected.get((id, piece), ()):
                if before.wish == wish:
                    cue.natural, cue.hurried = before.natural, before.hurried
            self.queue.add(cue)

    def _go_on(self, id: str, cleaned: Iterable[ParsedCue | Dropped], wish: Wish) -> None:
        """More of a cue that has begun is spoken behind it, and what has not begun of its other speakers is
        corrected; anything else comes too late."""
        said = [one for one in cleaned if isinstance(one, ParsedCue)]
        rests = {one.id: self._rest(one) for one in said if one.id in self.begun}
        whole = [*rests.values()][:-1]
        if not said or None in rests.values() or any(whole):
            self._skip(id, "spoken")
            return
        waiting = [cue for cue in self._parts(id) if cue.id not in self.begun]
        places = {cue.id: cue for cue in reversed(waiting)}
        self._drop(waiting)
        self._ends(said[-1].end_ms)
        for one in said:
            if rest := rests.get(one.id):
                self._follow(one, rest, wish)
            elif one.id not in rests:
                place = places.get(one.id)
                self._take([one] if place is None else self._at_its_place([one], place), wish)

    def _rest(self, cue: ParsedCue) -> str | None:
        """As `rest_of`."""
        waiting = (one.text for one in self.queue.of(cue.id))
        return rest_of(cue.text, " ".join([self.begun.text(cue.id), *waiting]))

    def _follow(self, cue: ParsedCue, rest: str, wish: Wish) -> None:
        """The rest of one that has begun."""
        if cue.speaker is not None:
            wish = self._speakers.get(cue.speaker.casefold(), wish)
        due = None if cue.end_ms is None else self._at(cue.end_ms)
        order = self.begun.start(cue.id)
        self._enqueue(cue.id, rest, None, due, order, wish, timed=True, of=cue.of)

    def _voice(self, voice: str, param: str) -> Wish:
        wish = self._voices.get(voice)
        if wish is None:
            try:
                wish = self.wishes.updated(OptionsUpdate(voice=voice))
            except UnknownVoice as error:
                error.param = param
                raise
            self._voices[voice] = wish
        return wish

    def _number(self) -> str:
        while True:
            self._numbered += 1
            id = str(self._numbered)
            if id not in self.begun and not self.queue.of(id):
                return id


def _pieces(text: str, language: str) -> Iterator[str]:
    """Sentences together, as long as may be spoken in one go."""
    if len(text) <= LONGEST:
        yield text
        return
    segmenter = Segmenter("sentence", language)
    spans = [*segmenter.push(text), *segmenter.flush()]
    begin = 0
    for before, span in pairwise(spans):
        if span.offset + len(span.text) - begin > LONGEST:
            yield text[begin : before.offset + len(before.text)]
            begin = span.offset
    yield text[begin:]
