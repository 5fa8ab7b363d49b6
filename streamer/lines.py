"""What is spoken as one segment: a `Line`, known whole, or still being written by the client.

`Lines` makes them of the cuts of the text: what is said of it, and by whom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamer.engines.base import Engine
from streamer.errors import LanguageNotSupported
from streamer.prices import Choice
from streamer.text.alignment import SpannedText, client_words
from streamer.text.lexicon import Lexicon
from streamer.text.normalizer import for_ear
from streamer.text.segmenter import Span
from streamer.text.steady import steady
from streamer.types import Options, Segment
from streamer.voices import Catalogue, can_speak
from streamer.wishes import Wish, native


@dataclass(frozen=True, slots=True)
class Cut:
    """A span and what held when it was cut."""

    span: Span
    wish: Wish
    received_at: float
    at: float


@dataclass(slots=True, eq=False)
class Line:
    """One segment with everything the sound half needs to know of its text.

    `text` maps what is spoken (`text.text`, `segment.text`) to the client's words (`span`). `options`
    are as the client wants them; `segment.options` ask of the engine only what it can do by itself.
    `asked` is who was asked for. Times are on the session's clock.

    While it is `open`, the three are of what has been handed to its engine so far, and grow at their end;
    `span.reason` is not known yet. `cut_at` is when its last piece was ready.
    """

    segment: Segment
    span: Span
    text: SpannedText
    options: Options
    engine: Engine
    asked: Choice
    received_at: float
    cut_at: float

    @property
    def choice(self) -> Choice:
        """Who is to speak it."""
        return Choice(self.engine.capabilities, self.options.model)

    @property
    def open(self) -> bool:
        """Whether more of its text comes."""
        return self.segment.more

    @property
    def end(self) -> int:
        """Code points of the input up to its end."""
        return self.span.offset + len(self.span.text)

    def grow(self, span: Span, text: SpannedText, at: float, *, more: bool) -> Segment:
        """Take what is known of it at time `at`, which begins with what was; the piece that is new."""
        piece = text.text[len(self.segment.text) :]
        self.span, self.text, self.cut_at = span, text, at
        self.segment = replace(self.segment, text=text.text, more=more)
        return replace(self.segment, text=piece)

    def turn(self, source: str, text: SpannedText) -> int:
        """Where in its span another voice has to go on, if `text` is all of it that is said of `source`; 0:
        nowhere."""
        said, options = len(self.segment.text), self.options
        rest = text.text[said:]
        if not client_words(rest) or can_speak(text.text, options.voice, options.language):
            return 0
        first = said + len(rest) - len(rest.lstrip())
        begin, least = text.source(first, first + 1)[0], text.source(0, said)[1]
        at = (
            begin  # the marks before it go along, as far as white space tells that they are its own
        )
        while at > least and not source[at - 1].isspace():
            at -= 1
        return at if at > least else begin


class Lines:
    """Those of one context, one after the other."""

    def __init__(self, catalogue: Catalogue, lexicon: Lexicon) -> None:
        self._catalogue = catalogue
        self._lexicon = lexicon
        self._count = 0

    def said(self, text: str) -> SpannedText:
        """What is said of a text."""
        return self._lexicon.apply(for_ear(text))

    def so_far(self, span: Span) -> tuple[Span, SpannedText]:
        """As much of a span that is still written as reads the same whatever follows, and what is said of
        that."""
        text = steady(span.text, self._lexicon)
        return replace(span, text=span.text[: text.source(0, len(text))[1]]), text

    def whole(self, cut: Cut) -> Line | None:
        """None where nothing in it can be heard. Raises `LanguageNotSupported`, with the offset in the
        input, where nobody here can say it."""
        text, options = self.said(cut.span.text), cut.wish.options
        if not client_words(text.text):
            return None
        try:
            engine, voice = self._catalogue.speaker_of(
                text.text, options.language, cut.wish.engine, options.voice
            )
        except LanguageNotSupported as error:
            at = error.details.get("offset", 0)
            error.details["offset"] = cut.span.offset + text.source(at, at + 1)[0]
            raise
        model = options.model if engine is cut.wish.engine else ""
        return self._line(cut, text, engine, replace(options, voice=voice, model=model))

    def begun(self, cut: Cut) -> Line | None:
        """An open one; None where no whole word is sure, or it is another engine's to say."""
        span, text = self.so_far(cut.span)
        options = cut.wish.options
        speaks = can_speak(text.text, options.voice, options.language)
        if not (client_words(text.text) and speaks):
            return None
        return self._line(replace(cut, span=span), text, cut.wish.engine, options, more=True)

    def _line(
        self, cut: Cut, text: SpannedText, engine: Engine, options: Options, *, more: bool = False
    ) -> Line:
        asked = native(options, engine)
        segment = Segment(self._count, text.text, cut.span.offset, asked, more)
        self._count += 1
        wish, times = cut.wish, (cut.received_at, cut.at)
        return Line(segment, cut.span, text, options, engine, wish.choice, *times)
