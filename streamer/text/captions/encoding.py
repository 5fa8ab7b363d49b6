"""Bytes of captions to text: WebVTT is UTF-8 by its definition, SRT has no encoding of its own."""

from __future__ import annotations

import codecs
import re

from streamer.errors import InvalidCaptions

_MARKS = (  # the long ones first: UTF-32's begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARK_BYTES = 4
_CHARSETS = re.compile(
    r"(?!utf_?7)(utf|ascii|latin|iso|cp\d|windows|mac|koi8|shift|euc|gb|big5|hz|tis|ptcp|kz|johab|viscii)"
)
"""Character sets; Python's other codecs are escapes and compressors, some of them quadratic."""
_MOST_NAME = 40


class Decoder:
    """Bytes in pieces, text out. A byte order mark decides, then `charset`, else it is UTF-8. Raises
    `InvalidCaptions`, with the `offset` of the first byte that is not of the encoding."""

    def __init__(self, charset: str | None = None) -> None:
        self._charset = _known(charset) if charset else None
        self._head = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._name = ""
        self._fed = 0

    def push(self, data: bytes) -> str:
        """The text that is whole by now."""
        return self._decode(data, final=False)

    def flush(self) -> str:
        """The end of the bytes."""
        return self._decode(b"", final=True)

    def _decode(self, data: bytes, *, final: bool) -> str:
        if self._decoder is None:
            data, self._head = self._head + data, b""
            if len(data) < _MARK_BYTES and not final:
                self._head = data
                return ""
            self._name, mark = self._detect(data)
            self._decoder = codecs.getincrementaldecoder(self._name)()
            data = data[mark:]
            self._fed = mark
        held = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(data, final)
        except UnicodeError as error:
            offset = self._fed - held + getattr(error, "start", 0)
            raise InvalidCaptions(
                f"a byte that is not {self._name}: name the encoding",
                param="encoding",
                offset=offset,
            ) from None
        self._fed += len(data)
        return text

    def _detect(self, head: bytes) -> tuple[str, int]:
        """The encoding, and how long its mark is."""
        for mark, name in _MARKS:
            if head.startswith(mark):
                return name, len(mark)
        if self._charset is not None:
            return self._charset, 0
        if head[1:2] == head[3:4] == b"\0" and b"\0" not in (head[:1], head[2:3]):
            return "utf-16-le", 0  # every file begins with ASCII
        if head[:1] == head[2:3] == b"\0" and b"\0" not in (head[1:2], head[3:4]):
            return "utf-16-be", 0
        return "utf-8", 0


def decode(data: bytes, charset: str | None = None) -> str:
    """All of a file. Raises as `Decoder`."""
    decoder = Decoder(charset)
    return decoder.push(data) + decoder.flush()


def _known(charset: str) -> str:
    """Python's name of a character set."""
    try:
        name = codecs.lookup(charset).name if len(charset) <= _MOST_NAME else ""
    except (LookupError, ValueError):
        name = ""
    if not _CHARSETS.match(name.replace("-", "_")):
        raise InvalidCaptions("no such character set", param="encoding")
    return name
