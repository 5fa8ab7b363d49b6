"""Captions as text: WebVTT and SRT in, plain cues out; other formats are refused by name."""

from streamer.text.captions.cleaner import Cleaner
from streamer.text.captions.cues import Dropped, ParsedCue
from streamer.text.captions.encoding import Decoder, decode
from streamer.text.captions.reader import CueReader

__all__ = ["Cleaner", "CueReader", "Decoder", "Dropped", "ParsedCue", "decode"]
