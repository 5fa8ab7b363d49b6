"""What a client may say of a file: its content type, its name, and all of it in a data URI."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from urllib.parse import unquote_to_bytes

from streamer.errors import InvalidParameter

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
_PARAMETER = rf'{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]*")'
_CONTENT_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})((?:[ \t]*;[ \t]*{_PARAMETER})*)")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_URI_DATA = re.compile(r'(?:[ !"$&-~]|%[0-9A-Fa-f]{2})++')
SLICE = 256 * 1024
"""Letters that are decoded at once: in between, other threads have their turn."""
_SPACE = str.maketrans("", "", " \t\r\n\f")


def check_content_type(text: str, param: str = "content_type") -> str:
    """`text` with its type in lower case: type/subtype and parameters (RFC 9110, 8.3), at most 200
    characters. Raises `InvalidParameter`."""
    match = _CONTENT_TYPE.fullmatch(text) if len(text) <= 200 else None
    if match is None:
        raise InvalidParameter("not a content type, such as audio/wav", param=param)
    return match[1].lower() + match[2]


def check_name(text: str, param: str = "name") -> str:
    """`text`: a line of at most 255 characters; "" is no name. Raises `InvalidParameter`."""
    if len(text) > 255 or any(unicodedata.category(c) in _UNSEEN for c in text):
        raise InvalidParameter("at most 255 characters, none of them a control", param=param)
    return text


def parse_data_uri(text: str, param: str = "data") -> tuple[str, bytes]:
    """Content type and bytes of `data:[type][;base64],…` (RFC 2397). Raises `InvalidParameter`.

    As browsers do it, base64 may lack its padding and be broken into lines.
    """
    head, comma, body = text.partition(",")
    if not comma or head[:5].lower() != "data:":
        raise InvalidParameter("not a data URI: data:[type][;base64],…", param=param)
    media = head[5:].strip(" ")
    marked = media.lower().endswith(";base64")
    media = media[: -len(";base64")].rstrip(" ") if marked else media
    if not media or media.startswith(";"):
        media = "text/plain" + (media or ";charset=US-ASCII")
    content_type = check_content_type(media, param)
    if marked:
        return content_type, _base64(body, param)
    return content_type, _percent(body, param)


def _percent(body: str, param: str) -> bytes:
    data = bytearray()
    start = 0
    while start < len(body):
        match = _URI_DATA.match(body, start, start + SLICE)
        if not match:
            raise InvalidParameter("characters that a URI has only as %xx", param=param)
        data += unquote_to_bytes(match[0])
        start = match.end()
    return bytes(data)


def _base64(body: str, param: str) -> bytes:
    data = bytearray()
    rest = ""
    try:
        if "%" in body:
            body = unquote_to_bytes(body).decode("ascii")
        for start in range(0, len(body), SLICE):
            letters = rest + body[start : start + SLICE].translate(_SPACE)
            if "=" in letters:  # the end: all that is left must decode as one
                rest = letters + body[start + SLICE :].translate(_SPACE)
                break
            whole = len(letters) // 4 * 4
            data += base64.b64decode(letters[:whole], validate=True)
            rest = letters[whole:]
        letters = rest.rstrip("=")
        padding = -len(letters) % 4
        if len(rest) - len(letters) not in (0, padding):
            raise ValueError("padding of another length")
        data += base64.b64decode(letters + "=" * padding, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidParameter("not base64", param=param) from None
    return bytes(data)
