"""The command line: `serve`, `say`, `captions`, `jobs`, `voices`, `keys`, `doctor`. It knows all,
nothing knows it.

Exit codes: 0 done, 1 it failed, 2 what was asked can't be had, 130 interrupted, 143 terminated. Live
captions that a Ctrl+C has ended are done: their files are whole. An error is one line that names the
parameter.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

import streamer
from streamer.cli import captions, doctor, jobs, keys, say, serve, voices
from streamer.errors import ServerError, StreamerError

app = typer.Typer(
    name="streamer",
    help="Self-hosted, real-time streaming speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help can be searched, and breaks no long word
)


def _version(wanted: bool) -> None:
    if wanted:
        print(streamer.__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Self-hosted, real-time streaming speech."""


app.command("serve")(serve.serve)
app.command("say")(say.say)
app.command("captions")(captions.captions)
app.add_typer(jobs.app, name="jobs")
app.add_typer(voices.app, name="voices")
app.add_typer(keys.app, name="keys")
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line and exit."""
    # So that `say` takes its unfinished file away; `serve` has a way of its own to stop.
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(run(sys.argv[1:]))


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def run(arguments: list[str]) -> int:
    """The exit code of one command line."""
    try:
        result = app(arguments, prog_name="streamer", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        message = error.format_message()
        if not message.startswith("Usage:"):
            return _say(message, error.exit_code)
        print(message, file=sys.stderr)  # commands to choose from: their help, in its own lines
        return error.exit_code
    except StreamerError as error:
        return _say(_line(error), 1 if isinstance(error, ServerError) else 2)
    except (KeyboardInterrupt, Abort):
        return 130
    except BrokenPipeError:
        # Who reads our output has gone; nothing more may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _say(str(error), 1)
    return result if isinstance(result, int) else 0


def _line(error: StreamerError) -> str:
    """An error as one line that names its parameter and what else it knows."""
    line = error.message
    if error.param is not None and error.param not in line:
        line = f"{error.param}: {line}"
    if candidates := error.details.get("candidates"):
        line += f"; there are {', '.join(map(str, candidates))}"
    if (offset := error.details.get("offset")) is not None:
        line += f" (at character {offset})"
    return line


def _say(message: str, code: int) -> int:
    if message:
        print("streamer: " + " ".join(message.split()), file=sys.stderr)
    return code
