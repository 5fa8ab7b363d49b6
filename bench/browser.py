"""Bench: what the browser's player adds: to the first sound, to silence, to a word. Does it run dry?

Debian's Chromium, the real server, the cases of `tests/js/player_page.js`; what sounds is what a worklet
behind the player is given. By the sound's clock a thing is as late as frames were rendered meanwhile; by the
wall's it is until that worklet has told the page of it, which is later than the sound itself.
"""

from __future__ import annotations

from typing import Any

from bench._common import arguments, machine, median, percentile, report
from tests.js.browsing import Told, browse, pages
from tests.js.tools import installed
from tests.server_process import running_server

TEXT = "The player says all of this as it comes, word by word. Then it says some more, until it is stopped."
AFTER = 8
"""Words until it is stopped."""
FIRST_MS = 40.0
SILENT_MS = 60.0
WORD_MS = 50.0
BATCH = 3
"""Runs in one page: the driver bounds the time of a page."""


def measured(rounds: int) -> tuple[dict[str, Told], float]:
    """What each way told, and how many packets the server itself sent too late."""
    ways: dict[str, dict[str, Any]] = {
        "opus": {},
        "pcm": {"client": {"audio": {"codec": "pcm_s16le", "sample_rate": 48000}}},
    }
    node_modules = installed()
    told: dict[str, Told] = {}
    with pages(node_modules) as site, running_server("hibari") as server:
        runs = [
            {
                "name": f"{way} {batch}",
                "run": "latency",
                "argument": {
                    "url": server.url,
                    "text": TEXT,
                    "runs": min(BATCH, rounds - batch),
                    "after": AFTER,
                    **options,
                },
            }
            for batch in range(0, rounds, BATCH)
            for way, options in ways.items()
        ]
        for name, answer in browse(node_modules, f"{site}/player_page.html", runs).items():
            if "failed" in answer:
                raise RuntimeError(f"{name}: {answer['failed']}")
            way = told.setdefault(name.split()[0], {})
            for key, value in answer.items():
                way[key] = way[key] + value if key in way and key != "output_ms" else value
        late = server.metrics()["streamer_underruns_total"]
    return told, late


def run(rounds: int) -> dict[str, Any]:
    ways, late = measured(rounds)
    rows = {
        name: [{"sound": way, **row(told)} for way, told in ways.items()]
        for name, row in ROWS.items()
    }
    met = all(row["met"] for table in rows.values() for row in table)
    return {"bench": "browser", **rows, "server_late": late, "machine": machine(), "met": met}


def _first(told: Told) -> dict[str, Any]:
    return {
        "runs": len(told["first"]),
        "p50_ms": round(median(told["first"]), 1),
        "p95_ms": round(percentile(told["first"], 95), 1),
        "wall_p50_ms": round(median(told["wall"]), 1),
        "wall_p95_ms": round(percentile(told["wall"], 95), 1),
        "target_ms": FIRST_MS,
        "met": median(told["wall"]) <= FIRST_MS,
    }


def _silent(told: Told) -> dict[str, Any]:
    return {
        "p50_ms": round(median(told["silent"]), 1),
        "worst_ms": round(max(told["silent"]), 1),
        "target_ms": SILENT_MS,
        "met": max(told["silent"]) <= SILENT_MS,
    }


def _words(told: Told) -> dict[str, Any]:
    return {
        "words": len(told["words"]),
        "p50_ms": round(median(told["words"]), 1),
        "worst_ms": round(max(told["words"]), 1),
        "target_ms": WORD_MS,
        "met": max(told["words"]) <= WORD_MS,
    }


def _dry(told: Told) -> dict[str, Any]:
    return {
        "packets": told["packets"],
        "late": told["late"],
        "skipped": told["skipped"],
        "loudspeaker_ms": round(told["output_ms"], 1),
        "met": told["late"] + told["skipped"] == 0,
    }


ROWS = {
    "first_packet_to_first_sample": _first,
    "interrupt_to_silence": _silent,
    "word_late": _words,
    "ran_dry": _dry,
}


if __name__ == "__main__":
    chosen = arguments(__doc__, rounds=18)
    report(run(chosen.rounds), as_json=chosen.json)
