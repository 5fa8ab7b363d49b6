"""The setting `providers`: how each hosted API is reached. Keys are never shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints
from urllib.parse import urlsplit

import msgspec

from streamer.errors import InvalidParameter, UnknownParameter

PROVIDERS = ("crun", "runware", "aimlapi", "evolink", "modelstream", "openai")
"""The hosted APIs there are; each is an engine of that name."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One of them. Empty and 0 take what the API's documents say.

    `voices` maps our names to the provider's. `price_per_1000` None: the setting of that name. `models`
    are those that a client may name beside `model`, and their prices; empty: those of the documents.
    `text_limit` in code points; `timeout_s` is the longest until the first sound of a request;
    `concurrency` the most requests at once to this provider; `word_times` asks for the provider's own word
    times, where it has them: its sound then comes whole and later.
    """

    url: str = ""
    key: str = field(default="", repr=False)
    model: str = ""
    voice: str = ""
    models: dict[str, float] = field(default_factory=dict)
    voices: dict[str, str] = field(default_factory=dict)
    price_per_1000: float | None = None
    text_limit: int = 0
    timeout_s: float = 60.0
    concurrency: int = 8
    word_times: bool = False


_LEAST: Mapping[str, float] = {
    "price_per_1000": 0,
    "models": 0,
    "text_limit": 0,
    "timeout_s": 0.1,
    "concurrency": 1,
}
_EXPECTED = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict[str, str]: "texts by name",
    dict[str, float]: "prices by name",
}


def read_providers(value: Any, source: str) -> dict[str, Provider]:
    """From tables, or from JSON where it is text (flag, environment). Raises `UnknownParameter` and
    `InvalidParameter`, whose `param` is as `providers.crun.url`; neither quotes a value."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except (ValueError, RecursionError):
            raise _bad(source, "providers", "JSON: an object for each provider") from None
    if not isinstance(value, dict):
        raise _bad(source, "providers", "a table for each provider")
    return {name: _provider(name, table, source) for name, table in value.items()}


def _provider(name: str, table: Any, source: str) -> Provider:
    param = f"providers.{name}"
    if name not in PROVIDERS:
        raise UnknownParameter(
            f"{source}: no setting {param}; there are providers {', '.join(PROVIDERS)}", param=param
        )
    if isinstance(table, Provider):
        return table
    if not isinstance(table, dict):
        raise _bad(source, param, "a table")
    types = get_type_hints(Provider)
    for key in table:
        if key not in types:
            raise UnknownParameter(f"{source}: no setting {param}.{key}", param=f"{param}.{key}")
    return Provider(
        **{
            each.name: _value(f"{param}.{each.name}", table[each.name], types[each.name], source)
            for each in fields(Provider)
            if each.name in table
        }
    )


def _value(param: str, value: Any, type_: Any, source: str) -> Any:
    name = param.rpartition(".")[2]
    try:
        value = msgspec.convert(value, type_)
    except msgspec.ValidationError:
        raise _bad(source, param, _EXPECTED.get(type_, "a number")) from None
    least = _LEAST.get(name)
    # Written so that what is not a number is refused too.
    numbers = value.values() if isinstance(value, dict) else [value]
    if least is not None and not all(each is None or least <= each < math.inf for each in numbers):
        raise _bad(source, param, f"at least {least:g}")
    if name == "url" and value and not _is_base(value):
        raise _bad(source, param, "an http or https URL without user, query and fragment")
    if name == "key" and not (value.isascii() and value.isprintable() and value == value.strip()):
        raise _bad(source, param, "printable ASCII without space at its ends")
    return value


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        sound
        and url.isascii()
        and url.isprintable()
        and " " not in url
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not (parts.query or parts.fragment)
    )


def _bad(source: str, param: str, expected: str) -> InvalidParameter:
    return InvalidParameter(f"{source}: {param} must be {expected}", param=param)
