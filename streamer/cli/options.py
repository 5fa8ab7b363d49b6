"""Settings as flags: rows of `SETTINGS` become options of a command, which gets one `Settings`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from streamer.config import SETTINGS, SettingRow, load

Result = TypeVar("Result")

CLIENT_KEY = "STREAMER_KEY"
"""The variable a client's key may come from: no setting, but it may be set beside them."""

_METAVARS = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT"}


def metavar(row: SettingRow) -> str:
    """What its value looks like, for help and docs."""
    if get_origin(row.type) is Literal:
        return "|".join(choice for choice in get_args(row.type) if choice)
    if isinstance(row.default, list):
        return "A,B,..."
    if isinstance(row.default, dict):
        return "JSON" if row.name == "providers" else "NAME=VALUE,..."
    return _METAVARS[row.type]


def shown_default(row: SettingRow) -> str:
    """The default as a person would type it; empty where there is none."""
    if isinstance(row.default, list):
        return ",".join(map(str, row.default))
    if isinstance(row.default, bool):
        return str(row.default).lower()
    return "" if row.default in ("", {}) else str(row.default)


def option(
    name: str, type: Any, flag: str, *, default: Any = None, help: str, **more: Any
) -> inspect.Parameter:
    """A flag as a parameter of a command: of that type, or its default."""
    annotation = type if default is not None else type | None
    found = typer.Option(flag, help=help, show_default=default is not None, **more)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, found],
    )


def own_parameters(command: Callable[..., Any], but: str) -> list[inspect.Parameter]:
    """A command's own parameters with their types, but for one."""
    hints = get_type_hints(command, include_extras=True)
    return [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name != but
    ]


def dressed(
    called: Callable[..., Result], parameters: list[inspect.Parameter]
) -> Callable[..., Result]:
    """A command that seems to have these parameters."""
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {item.name: item.annotation for item in parameters}
    return called


def _setting(row: SettingRow) -> inspect.Parameter:
    default = shown_default(row)
    help = f"{row.help} [{default}]" if default else row.help
    return option(row.name, str, row.flag, metavar=metavar(row), help=help)


_CONFIG = option(
    *("config", Path, "--config"),
    metavar="FILE",
    help="TOML file of settings; also from STREAMER_CONFIG.",
)


def takes_settings(*names: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Give a command the flags of these settings (all of them if none is named) and `--config`.

    The command's own parameter `settings` gets what flags, environment and file say together; unknown
    keys and bad values are typed errors before anything is loaded.
    """
    rows = [row for row in SETTINGS if not names or row.name in names]

    def decorate(command: Callable[..., Result]) -> Callable[..., Result]:
        @wraps(command)
        def called(**values: Any) -> Result:
            flags = {row.name: values.pop(row.name) for row in rows}
            environment = {n: value for n, value in os.environ.items() if n != CLIENT_KEY}
            file: Path | None = values.pop("config")
            if file is None and environment.get("STREAMER_CONFIG"):
                file = Path(environment["STREAMER_CONFIG"])
            return command(settings=load(flags, environment, file), **values)

        own = own_parameters(command, "settings")
        return dressed(called, [*own, _CONFIG, *map(_setting, rows)])

    return decorate
