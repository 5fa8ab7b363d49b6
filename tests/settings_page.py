"""docs/settings.md, made from the table of settings: `python -m tests.settings_page` (`make docs`)."""

from __future__ import annotations

import sys
from pathlib import Path

from streamer.cli.options import metavar, shown_default
from streamer.config import SETTINGS, SettingRow

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = """\
# Settings

Every setting is one row of one table (`streamer/config/settings.py`); this page is made from it
(`make docs`). A setting can be given four ways, each going before the next:

1. a flag of `streamer serve`: `--port 9000`
2. the environment: `STREAMER_PORT=9000`
3. a TOML file, named by `--config FILE` or `STREAMER_CONFIG`: `port = 9000`
4. its default

A name that is no setting, or a value out of range, stops the server before a voice is loaded, with
one line that says which and where. In flags and environment a list is `a,b` and a table is
`name=value,name=value`.

```toml
host = "0.0.0.0"
engines = ["hibari"]
origins = ["https://app.example.org"]
voice_aliases = { alloy = "heart" }
key_chars_per_minute = 20000
```
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(row) for row in SETTINGS)])


def _section(row: SettingRow) -> str:
    default = shown_default(row)
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", row.minimum), ("at most", row.maximum))
        if bound is not None
    ]
    facts = [
        f"`{row.flag} {metavar(row)}`",
        f"`{row.environment}`",
        f"default `{default}`" if default else "default: none",
        *bounds,
    ]
    return f"## `{row.name}`\n\n{row.help}\n\n{' · '.join(facts)}\n"


if __name__ == "__main__":
    sys.stdout.write(page())
