"""Tables on standard output: fitted to a terminal, whole lines for a program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

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
