"""`streamer keys`: make, list, rotate and revoke the keys of a server; it sees changes while it runs."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer
from rich.markup import escape

from streamer.cli.options import takes_settings
from streamer.cli.table import print_table
from streamer.config import Settings, data_dir
from streamer.server.auth import DEFAULT_SCOPES, SCOPES, Key, KeyStore
from streamer.server.limits import KeyLimits

app = typer.Typer(
    help="Make, list, rotate and revoke keys.", no_args_is_help=True, rich_markup_mode=None
)


def _store(settings: Settings) -> KeyStore:
    return KeyStore(data_dir(settings))


@app.command("new")
@takes_settings("data_dir")
def new(
    settings: Settings,
    name: Annotated[str, typer.Argument(help="What the key is for, e.g. the app that uses it.")],
    contexts: Annotated[int | None, typer.Option(help="Most contexts at once.")] = None,
    connections: Annotated[
        int | None, typer.Option(help="Most connections at once; who only listens is not counted.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(help="Most contexts and HTTP requests in a minute.")
    ] = None,
    chars_per_minute: Annotated[
        int | None, typer.Option(help="Most characters in a minute.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Most it may cost, in the unit of --price-per-1000.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help=f"What it is for, repeatable: {', '.join(SCOPES)}.")
    ] = None,
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept."""
    limits = KeyLimits(contexts, connections, requests_per_minute, chars_per_minute, budget)
    print(_store(settings).new(name, limits, scope or DEFAULT_SCOPES))


@app.command("list")
@takes_settings("data_dir")
def list_keys(
    settings: Settings,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the keys, also revoked ones; never the keys themselves."""
    keys = _store(settings).list()
    if as_json:
        print(json.dumps([_shown(key) for key in keys], indent=2))
        return
    rows = [
        (
            key.id,
            escape(key.name),
            ", ".join(key.scopes),
            ", ".join(f"{name} {value:g}" for name, value in _limits(key).items()),
            key.created,
            key.revoked or "",
        )
        for key in keys
    ]
    print_table(("id", "name", "scopes", "limits", "created", "revoked"), rows)


@app.command("rotate")
@takes_settings("data_dir")
def rotate(
    settings: Settings,
    key: Annotated[str, typer.Argument(help="Its id or its name.")],
) -> None:
    """Give a key another secret and print it. It is shown this once: only its hash is kept.

    What the key has stored stays its own, so do its limits and scopes. The secret that it had is refused
    at once, and so are tokens that were made with it; a running server closes their connections within
    seconds.
    """
    print(_store(settings).rotate(key))


@app.command("revoke")
@takes_settings("data_dir")
def revoke(
    settings: Settings,
    key: Annotated[str, typer.Argument(help="Its id or its name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Revoke a key, for good: what it has stored is deleted.

    Its voices, files, jobs and webhooks go with it; to replace its secret alone, rotate it. At a terminal
    it asks first. A running server closes the key's connections and deletes within seconds, any other when
    it starts next.
    """
    store = _store(settings)
    found = store.get(key)
    if not yes and sys.stdin.isatty():
        asked = (
            f"Revoke {found.id} ({found.name}), and delete its voices, files, jobs and webhooks?"
        )
        if not typer.confirm(asked, err=True):
            raise typer.Exit(1)
    revoked = store.revoke(found.id)
    print(
        f"revoked {revoked.id} ({revoked.name}); its voices, files, jobs and webhooks are deleted"
        " within seconds, or when a server starts next"
    )


def _limits(key: Key) -> dict[str, float]:
    limits = dataclasses.asdict(key.limits)
    return {name: value for name, value in limits.items() if value is not None}


def _shown(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "limits": _limits(key),
        "created": key.created,
        "revoked": key.revoked,
        "rotations": key.rotations,
    }
