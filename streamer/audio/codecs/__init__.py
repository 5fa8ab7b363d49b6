"""One module per codec family: a function `open_codec(audio) -> Codec`, named by a row of `CODECS`."""
