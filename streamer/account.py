"""What a context of text comes to: its characters, its sound, its price, before it is spoken and after."""

from __future__ import annotations

from streamer.pace import Pace
from streamer.prices import Choice, Prices
from streamer.script import Script
from streamer.synthesis import Synthesis
from streamer.types import Done, EndReason, Text
from streamer.voices import Catalogue, Speaker


class Account:
    """Of one context, so far."""

    def __init__(
        self,
        context: str,
        catalogue: Catalogue,
        prices: Prices,
        script: Script,
        synthesis: Synthesis,
        pace: Pace,
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._prices = prices
        self._script = script
        self._synthesis = synthesis
        self._pace = pace

    @property
    def characters(self) -> int:
        """Code points of the input spoken so far (all of it once everything is out)."""
        return self._script.received if self._script.finished else self._script.spoken

    @property
    def cost(self) -> float:
        """Of the characters so far: each segment at the price of who spoke it."""
        return self._synthesis.cost(self.characters)

    def quote(self, command: Text) -> float:
        """What a text will cost at most, to be asked before it is taken. Raises what its options
        deserve."""
        wish = self._script.wishes.updated(command.options)
        price = self._prices.at_most(wish.choice)
        others = self._catalogue.engines.values()
        dearest = max(self._prices.at_most(Choice(other.capabilities)) for other in others)
        foreign = self._script.foreign(command, wish.options) if dearest > price else 0
        return max(price * len(command.text), dearest * foreign) / 1000

    def rehearse(self) -> Speaker:
        """Pass over the text so far without speaking it, in a session that is thrown away. Raises what
        speaking it would: `LanguageNotSupported`."""
        for line in self._script.rehearse():
            self._synthesis.charge(line, at_most=True)
        wish = self._script.wishes.now
        cost = self._synthesis.cost(self._script.received)
        return Speaker.of(wish.engine, wish.options.voice, cost)

    def done(self, reason: EndReason) -> Done:
        """How far it came, to be asked once nothing is said any more."""
        priced = self._prices.at_most(self._script.wishes.now.choice) > 0
        return Done(
            self._context,
            reason,
            self._pace.samples,
            round(1000 * self._pace.seconds, 3),
            self.characters,
            self._pace.first_audio_ms,
            self._synthesis.engine,
            round(self.cost, 9) if self.cost or priced else None,
        )
