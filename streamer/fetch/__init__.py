"""The only opener of URLs that clients or providers give: callbacks, uploads by URL, reference audio.

A URL is parsed once, and what was checked is what is requested. A name is resolved once for each
connection, every answer is checked (`addresses`), and the connection goes to a checked numeric address
while Host, SNI and certificate keep the name. Each request has a connection of its own: nothing is
pooled that a later answer of the resolver would forbid. Only `trusted` URLs, which the settings name, go
unchecked and over connections that are kept. Not httpx-secure 2.0.0: to choose among answers
it opens TCP connections before it checks them.

`FetchFailed.details["reason"]`: dns, connect, tls, timeout, connection (lost), protocol (not HTTP),
too_large, encoding, redirects, status (then `details["status"]` too). No message tells what a name
resolved to.
"""

from __future__ import annotations

from streamer.fetch.addresses import Allow
from streamer.fetch.fetcher import Answer, Fetcher
from streamer.fetch.streams import Patience, Stream
from streamer.fetch.urls import check_url, same_origin

__all__ = ["Allow", "Answer", "Fetcher", "Patience", "Stream", "check_url", "same_origin"]
