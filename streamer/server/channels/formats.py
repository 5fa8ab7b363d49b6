"""The formats in which a channel is heard."""

from __future__ import annotations

from streamer.types import AudioFormat

FORMATS = {
    "mp3": AudioFormat("mp3", "mp3"),
    "ogg": AudioFormat("opus", "ogg"),
    "aac": AudioFormat("aac", "adts"),
}
"""Of links, by the ending of the address; the rest is the codec's best for the voice."""
USUAL = (AudioFormat("opus"), *FORMATS.values())
"""Those of links and of clients that ask for nothing else. They always have room: whoever has a link might
otherwise ask for so many others that nobody else's link is good."""
