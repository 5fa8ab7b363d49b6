"""What is spoken as one segment: a `Line`, known whole, or still being written by the client."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streamer.engines.base import Engine
from streamer.prices import Choice
from streamer.text.alignment import SpannedText, client_words
from streamer.text.segmenter import Span
from streamer.types import Options, Segment
from streamer.voices import can_speak


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
