"""The rows of the settings, as flags, environment, file and docs see them: names, types, bounds, values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from streamer.config.settings import Settings
from streamer.errors import InvalidParameter
from streamer.providers import read_providers


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `type` is the field's annotation."""

    name: str
    type: Any
    default: Any
    help: str
    minimum: float | None
    maximum: float | None

    @property
    def environment(self) -> str:
        return "STREAMER_" + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def expected(self) -> str:
        """What a value of it is, for people."""
        if get_origin(self.type) is Literal:
            return " or ".join(repr(choice) for choice in get_args(self.type) if choice)
        kinds = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            list: "a list of texts",
        }
        if self.type == list[int]:
            return "a list of whole numbers"
        return kinds.get(type(self.default), "texts by name" if self.default == {} else "a text")

    def read(self, value: Any, source: str) -> Any:
        """The value in the row's type. Text (flag, environment) is read leniently: `a,b` is a list.
        Raises `InvalidParameter`, or `UnknownParameter` within a provider; both tell the source."""
        if self.name == "providers":
            return read_providers(value, source)
        try:
            parsed = msgspec.convert(self._spelled(value), self.type)
        except (msgspec.ValidationError, ValueError):
            raise InvalidParameter(
                f"{source}: {self.name} must be {self.expected}, not {value!r}", param=self.name
            ) from None
        if self.minimum is not None and not parsed >= self.minimum:  # not a number is refused too
            raise InvalidParameter(
                f"{source}: {self.name} must be at least {self.minimum:g}", param=self.name
            )
        if self.maximum is not None and not parsed <= self.maximum:
            raise InvalidParameter(
                f"{source}: {self.name} must be at most {self.maximum:g}", param=self.name
            )
        return parsed

    def _spelled(self, value: Any) -> Any:
        """What a text spells; any other value as it is. Raises what `msgspec` and `dict` do."""
        if not isinstance(value, str) or self.type is str:
            return value
        if isinstance(self.default, list):
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return msgspec.convert(parts, self.type, strict=False)
        if isinstance(self.default, dict):
            pairs = [part.split("=", 1) for part in value.split(",") if part.strip()]
            return {name.strip(): target.strip() for name, target in pairs}
        if isinstance(self.default, int | float):
            return msgspec.convert(value, self.type, strict=False)
        return value


def _rows() -> tuple[SettingRow, ...]:
    hints = get_type_hints(Settings)
    defaults = Settings()
    return tuple(
        SettingRow(
            f.name,
            hints[f.name],
            getattr(defaults, f.name),
            f.metadata["help"],
            f.metadata["minimum"],
            f.metadata["maximum"],
        )
        for f in dataclasses.fields(Settings)
    )


SETTINGS: tuple[SettingRow, ...] = _rows()
