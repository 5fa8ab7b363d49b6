"""Tables and JSON on standard output: fitted to a terminal, whole lines for a program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

ENDLESS = 10_000
"""Width for a reader that is no terminal: nothing is wrapped or shortened."""


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their headers; without headers, rows alone. Cells may hold rich's markup."""
    table = Table(*headers, box=None, pad_edge=False, show_header=any(headers))
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else ENDLESS
    Console(width=width, highlight=False).print(table)


def print_fields(value: Mapping[str, Any]) -> None:
    """Print every field that says something, one a line, never wrapped; of nested ones with their path."""
    fields = list(_fields(value, ""))
    width = max((len(name) for name, _ in fields), default=0)
    for name, text in fields:
        print(f"{name:{width}}  {text}")


def print_json(value: Any) -> None:
    """Print what msgspec can encode."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _fields(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _fields(item, f"{prefix}{name}.")
        elif isinstance(item, list | tuple):
            for index, part in enumerate(item):
                yield from _fields(part, f"{prefix}{name}[{index}].")
        elif item not in (None, ""):
            yield prefix + name, str(item)
