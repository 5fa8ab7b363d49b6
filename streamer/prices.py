"""What speech costs: the one place where characters become money. Pure.

Before a text is taken, `Prices.at_most` says what it can come to; while it is spoken, a `Bill` counts each
segment at the price of who spoke it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from streamer.types import Capabilities


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is to speak: an engine, and which of its models; "" its usual one."""

    engine: Capabilities
    model: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of 1,000 characters. `usual`: of an engine that has no price of its own (the setting
    `price_per_1000`)."""

    usual: float

    def of(self, choice: Choice, speaker: str = "") -> float:
        """Where `speaker` speaks for the engine; "": the engine itself, of a chain its first step."""
        engine = choice.engine
        own = engine.models.get(choice.model)
        if own is None:
            own = engine.prices.get(speaker, engine.price_per_1000)
        return self.usual if own is None else own

    def at_most(self, choice: Choice) -> float:
        """Whoever speaks for the engine."""
        return max(self.of(choice, speaker) for speaker in ("", *choice.engine.prices))


@dataclass(frozen=True, slots=True)
class _Item:
    characters: int
    price: float
    choice: Choice


class Bill:
    """Of one context. What stands between segments, and is not spoken, costs as the engine does that was
    asked for; a segment that nobody has spoken yet as who spoke last."""

    def __init__(self, prices: Prices) -> None:
        self.end = 0
        """Code points of the input that are on it."""
        self._prices = prices
        self._characters: Counter[float] = Counter()
        """By price: so rounding does not add up."""
        self._open: dict[int, _Item] = {}
        self._speaker = ""

    def add(
        self,
        segment: int,
        start: int,
        length: int,
        choice: Choice,
        asked: Choice,
        *,
        at_most: bool = False,
    ) -> None:
        """A segment of the input, or more of it, is handed to an engine, which is not always the one that was
        `asked` for. `at_most`: it is counted as the dearest who may speak it, once and for all."""
        prices = self._prices
        price = prices.at_most(choice) if at_most else prices.of(choice, self._speaker)
        self._characters[prices.of(asked)] += start - self.end
        self._characters[price] += length
        self.end = start + length
        if not at_most and choice.engine.prices:
            before = self._open.get(segment)
            known = before.characters if before is not None else 0
            self._open[segment] = _Item(known + length, price, choice)

    def spoken(self, segment: int, speaker: str) -> None:
        """Who speaks it, where that is not the engine it was handed to."""
        item = self._open.pop(segment, None)
        if item is not None:
            self._speaker = speaker
            self._characters[item.price] -= item.characters
            self._characters[self._prices.of(item.choice, speaker)] += item.characters

    def cost(self, characters: int, asked: Choice) -> float:
        """Of so many code points of the input: what is on it, and the rest, which nobody speaks."""
        rest = self._prices.of(asked) * (characters - self.end)
        return (sum(price * count for price, count in self._characters.items()) + rest) / 1000
