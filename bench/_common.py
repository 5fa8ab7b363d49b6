"""What every bench says about where it ran and how it says it: figures, a table, or one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine(*packages: str) -> dict[str, Any]:
    """Processor, cores this process may use, load average (what else went on), Python, and the
    versions of these packages."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "absent"
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **versions,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank; not a number for no values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def arguments(description: str | None, **numbers: int) -> argparse.Namespace:
    """`--json` and whole-number options with their defaults."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    return parser.parse_args()


def report(result: dict[str, Any], *, as_json: bool = True) -> None:
    """Print a bench's result: as JSON, or its lists of rows as tables and the rest as lines."""
    if as_json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    for name, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _table(name, value)
        else:
            print(f"{name}: {value}")


def _table(name: str, rows: Sequence[dict[str, Any]]) -> None:
    titles = list(rows[0])
    cells = [[_cell(row[title]) for title in titles] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    print(name)
    for line in [titles, *cells]:
        print("  " + "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)))


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
