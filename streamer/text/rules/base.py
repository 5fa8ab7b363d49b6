"""What the segmenter asks of a language. Data only: it knows no text and decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

Words = frozenset[str]


def words(text: str) -> Words:
    """A word list from whitespace-separated text."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Rules:
    """Word lists of one language, written without their last full stop.

    An abbreviation in lower case is known in any case; one with a capital only as it is written
    ("Sat" is a day, "sat" ends sentences).
    """

    titles: Words = frozenset()
    """A name follows, whatever its first letter: "Dr."."""
    inner: Words = frozenset()
    """Never the last word of a sentence: "e.g."."""
    endable: Words = frozenset()
    """Ends a sentence only if a word follows that often begins one: "Inc."."""
    closing: Words = frozenset()
    """Ends a sentence if any capital follows: "etc."."""
    numbered: Words = frozenset()
    """Ordinary words that are abbreviations before a number: "No. 5"."""
    clock: Words = frozenset()
    """Ends a clock time: "p.m."."""
    after_clock: Words = frozenset()
    """Capitalised words that go on with a clock time: "6 p.m. Eastern"."""
    fronted: Words = frozenset()
    """First words of a phrase that stands before its sentence: "At 6 p.m. Ann called."."""
    starters: Words = frozenset()
    """Words that often begin a sentence, in lower case."""
    leading: Words = frozenset()
    """Words after which the voice doesn't pause: articles, prepositions, auxiliaries."""
    exclaimed: Words = frozenset()
    """Names written with an exclamation mark: "Yahoo!"."""

    def is_in(self, token: str, table: Words) -> bool:
        return token in table or token.lower() in table

    def is_inner(self, token: str) -> bool:
        """Like `is_in` for `inner`, but "IE" and "CA" in capitals are names, not abbreviations."""
        return token.lower() in self.inner and not (token.isupper() and "." not in token)

    def abbreviates(self, token: str) -> bool:
        """Whether a token (without its last full stop) is some abbreviation of this language."""
        return self.is_inner(token) or any(
            self.is_in(token, table)
            for table in (self.titles, self.endable, self.closing, self.clock)
        )


PLAIN = Rules()
