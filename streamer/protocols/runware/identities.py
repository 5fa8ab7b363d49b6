"""UUIDs of media: the id of a file in the form of a UUID v4, and back. Nothing is stored for it."""

from __future__ import annotations

import re

from streamer.protocols.runware.wire import UUID4

_FILE = re.compile(r"file_([0-9a-f]{24})")
_UUID4 = re.compile(UUID4)
_MARK = "2a"
"""A UUID has 30 free digits and a file's id 24: four of them are repeated, and these two follow, so
that a stray UUID is not taken for one of ours."""


def media_id(file: str) -> str:
    """The mediaUUID or audioUUID of a file's id."""
    match = _FILE.fullmatch(file)
    if match is None:
        raise ValueError(f"not a file's id: {file!r}")
    digits = match[1]
    free = digits[:12] + "4" + digits[12:15] + "8" + digits[15:] + digits[:4] + _MARK
    return "-".join((free[:8], free[8:12], free[12:16], free[16:20], free[20:]))


def is_uuid(text: str) -> bool:
    return _UUID4.match(text) is not None


def file_id(media: str) -> str | None:
    """The id of the file; None for a UUID that is of no file of this server."""
    digits = media.lower().replace("-", "")
    if not is_uuid(media):
        return None
    own = digits[:12] + digits[13:16] + digits[17:26]
    found = "file_" + own
    return found if media.lower() == media_id(found) else None
