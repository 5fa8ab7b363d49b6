"""Which format a file of captions is, from its beginning. Others than WebVTT and SRT are known by name only,
to be refused by it."""

from __future__ import annotations

import re
from typing import Literal

from streamer.errors import InvalidCaptions

Format = Literal["WebVTT", "SRT"]

HEAD = 4096
"""Characters after which every format is decided."""

_WEBVTT = re.compile(r"WEBVTT(?=[ \t\n]|\Z)")
_TIMED = re.compile(r"(?!<)[^\n]*-->")
_XML = re.compile(r"<(?:\?xml|!DOCTYPE|!--)", re.IGNORECASE)
_OTHERS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("TTML", r"(?s:.*?)<(?:\w+:)?tt[\s>]"),  # DFXP and TTAF were names of it
        ("YouTube timed text", r"(?s:.*?)<(?:timedtext|transcript)[\s>]"),
        ("SAMI", r"(?s:.*?)<sami[\s>]"),
        ("HTML", r"(?s:.*?)<(?:html|head|body|!doctype html)[\s>]"),
        ("XML", r"<(?:\?xml|!--|!DOCTYPE)"),
        ("SCC (CEA-608)", r"scenarist_scc"),
        ("MCC (CEA-708)", r"file format=macca?ption_mcc"),
        ("ASS", r"\[script info\]|\[v4\+? styles\]|dialogue:"),
        ("MicroDVD", r"\{\d+\}\{\d*\}"),
        ("MPL2", r"\[\d+\]\[\d*\]"),
        ("LRC", r"\[\d{1,3}:\d\d(?:[.:]\d{1,3})?\]|\[(?:ar|al|ti|au|by|offset|length|re|ve):"),
        ("SBV", r"\d{1,2}:\d\d:\d\d\.\d{1,3},\d{1,2}:\d\d:\d\d\.\d{1,3}"),
        ("TMPlayer", r"\d{1,2}:\d\d:\d\d[:=]"),
        ("EBU STL", r"\d{3}STL\d\d\.\d\d"),
        ("STL (Spruce)", r"//font select|\$\w+ *="),
        ("RTF", r"\{\\rtf"),
        ("JSON", r"[\[{]\s*[\"\[{}\]]"),
        ("PDF", r"%PDF-"),
        ("ZIP", r"PK\x03\x04"),
        ("Matroska", r"\x1aE\xdf\xa3"),
        ("MP4", r"(?s:.{4})ftyp"),
        ("HLS playlist", r"#EXTM3U"),
    )
)


def format_of(head: str, *, final: bool) -> Format | None:
    """The format of a text that begins so, its lines ended by "\\n"; None: more of it has to be seen.

    `final`: there is no more, or `HEAD` characters of it are here. Raises `InvalidCaptions`, with `format`
    where it is known.
    """
    head = head.lstrip("\ufeff \t\n")
    if _WEBVTT.match(head) and (final or len(head) > len("WEBVTT")):
        return "WebVTT"
    first, _, rest = head.partition("\n")
    second, ended, _ = rest.lstrip("\n \t").partition("\n")
    if _TIMED.match(first) or _TIMED.match(second):
        return "SRT"
    if not final and (not ended or _XML.match(head)):
        return None
    for name, pattern in _OTHERS:
        if pattern.match(head):
            message = f"this is {name}; WebVTT and SRT are read"
            raise InvalidCaptions(message, param="text", format=name)
    raise InvalidCaptions("neither WebVTT nor SRT", param="text")
