"""Channels: what one context says, heard by many. Spoken once, encoded once for each format."""

from streamer.server.channels.place import Place
from streamer.server.channels.publication import Publication
from streamer.server.channels.registry import Channels
from streamer.server.channels.subscription import Subscription

__all__ = ["Channels", "Place", "Publication", "Subscription"]
