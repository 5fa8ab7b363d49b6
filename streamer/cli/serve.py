"""`streamer serve`: every setting is a flag."""

from __future__ import annotations

from typing import Annotated

import typer

from streamer.cli.options import takes_settings
from streamer.config import Settings


@takes_settings()
def serve(
    settings: Settings,
    first_key: Annotated[
        bool,
        typer.Option(
            "--first-key",
            help="Where there is no key yet, make one and print the page's URL with it.",
        ),
    ] = False,
) -> int:
    """Serve speech over WebSocket and HTTP until SIGTERM, which lets live utterances finish."""
    from streamer.server import run  # the other commands start faster without a web server

    return run.serve(settings, first_key=first_key)
