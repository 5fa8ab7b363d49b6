"""Who speaks, where a line says so: "NAME:", "- ", ">>"."""

from __future__ import annotations

import re
from collections.abc import Callable

_TURN = re.compile(r"(?:>{2,3}|[-–—‐‑](?![-–—\d]))[ \t]*")
"""Somebody else speaks: a dash of a dialogue, or the two ">" of live captions. No minus sign."""
_NAMED = re.compile(r"([^:：\n]{1,60}?)[ \t]*(?:\([^()]{0,30}\)[ \t]*)?[:：](?:[ \t]+|$)")
_MOST_WORDS = 4


def turn(line: str, known: Callable[[str], bool]) -> tuple[bool, str | None, str]:
    """Whether another one begins to speak with this line, the name if it has one, and what is said.

    A name is one that is `known`, or in capitals.
    """
    found = _TURN.match(line)
    rest = line[found.end() :] if found else line
    named = _NAMED.match(rest)
    if named and (known(named[1].strip()) or _capitals(named[1])):
        return True, named[1].strip(), rest[named.end() :]
    return found is not None, None, rest


def _capitals(name: str) -> bool:
    return name.isupper() and name[0].isalpha() and len(name.split()) <= _MOST_WORDS
