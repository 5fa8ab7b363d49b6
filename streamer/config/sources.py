"""Where settings come from: flag, environment, file, default, the first that says anything.

Unknown keys and bad values fail here, before anything is loaded.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.config.rows import SETTINGS
from streamer.config.settings import Settings
from streamer.errors import InvalidParameter, UnknownParameter

_BY_NAME = {row.name: row for row in SETTINGS}


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Settings from all sources. Raises `UnknownParameter` or `InvalidParameter`, naming the key."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    if file is not None:
        try:
            table = tomllib.loads(file.read_text("utf-8"))
        except OSError as error:
            raise InvalidParameter(f"{file}: {error.strerror}", param="config") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidParameter(f"{file}: {error}", param="config") from None
        for name, value in table.items():
            if name not in _BY_NAME:
                raise UnknownParameter(f"{file}: no setting {name!r}", param=name)
            values[name] = _BY_NAME[name].read(value, str(file))
    for key, value in environment.items():
        if key.startswith("STREAMER_") and key != "STREAMER_CONFIG":
            name = key.removeprefix("STREAMER_").lower()
            if name not in _BY_NAME:
                raise UnknownParameter(f"{key}: no setting {name!r}", param=name)
            values[name] = _BY_NAME[name].read(value, key)
    for name, value in (flags or {}).items():
        if value is None:
            continue
        if name not in _BY_NAME:
            raise UnknownParameter(f"no setting {name!r}", param=name)
        values[name] = _BY_NAME[name].read(value, _BY_NAME[name].flag)
    return Settings(**values)


def data_dir(settings: Settings, environment: Mapping[str, str] | None = None) -> Path:
    """Where the server keeps its data. Not made here: whoever writes first makes it, mode 0700."""
    environment = os.environ if environment is None else environment
    if settings.data_dir:
        return Path(settings.data_dir).expanduser()
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "streamer"
