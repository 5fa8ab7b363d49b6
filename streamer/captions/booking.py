"""What cues will come to, before they are spoken: their price, and whether they can be."""

from __future__ import annotations

from streamer.captions.intake import Intake
from streamer.captions.said import Said
from streamer.captions.takes import Takes
from streamer.errors import LanguageNotSupported
from streamer.prices import Choice, Prices
from streamer.types import Cue, Text
from streamer.voices import Catalogue, Speaker, can_speak


class Booking:
    """Of one context."""

    def __init__(self, intake: Intake, takes: Takes, catalogue: Catalogue, prices: Prices) -> None:
        self._intake = intake
        self._takes = takes
        self._catalogue = catalogue
        self._prices = prices
        self._rehearsed = 0.0
        self.characters = 0
        """Of cues that a rehearsal passed over."""

    @property
    def priced(self) -> bool:
        """Whether anything of it may cost something."""
        return any(self._prices.at_most(wish.choice) > 0 for wish in self._intake.wishes_of_all())

    def quote(self, command: Text | Cue) -> float:
        """What it will cost at most. Raises what its options deserve."""
        wishes = [*self._intake.wishes_of_all()]
        if isinstance(command, Cue):
            wishes.append(self._intake.wish(command.voice))
        elif command.options is not None:
            wishes.append(self._intake.updated(command.options))
        price = max(self._prices.at_most(wish.choice) for wish in wishes)
        others = self._catalogue.engines.values()
        dearest = max(self._prices.at_most(Choice(other.capabilities)) for other in others)
        if dearest > price and not all(
            can_speak(command.text, wish.options.voice, wish.options.language) for wish in wishes
        ):
            price = dearest
        return price * len(command.text) / 1000

    def rehearse(self, said: Said) -> Speaker:
        """Pass over the cues that wait. Raises what speaking them would: `LanguageNotSupported`."""
        queue = self._intake.queue
        while (cue := queue.head) is not None:
            queue.remove(cue)
            offset = said.next
            said.add(cue.text)
            self.characters += len(cue.text)
            try:
                self._rehearsed += self._takes.rehearse(cue.text, cue.wish)
            except LanguageNotSupported as error:
                error.details["offset"] = offset + error.details.get("offset", 0)
                raise
        wish = self._intake.wishes.now
        return Speaker.of(wish.engine, wish.options.voice, self._rehearsed)
