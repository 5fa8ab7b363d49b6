"""Reading JSON that somebody else wrote: every value checked, every error naming file and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from streamer.errors import CheckpointInvalid

Choice = TypeVar("Choice", bound=str)


class Fields:
    """One JSON object of a file. `path` of it ends in a dot where it is not the outermost.

    A key that is null counts as left out. Every method raises `CheckpointInvalid`.
    """

    def __init__(self, file: str, values: Mapping[str, Any], path: str = "") -> None:
        self.file = file
        self._values = values
        self._path = path

    def wrong(self, key: str, wanted: str) -> CheckpointInvalid:
        """What to raise for a value that is not what it has to be."""
        value = self._values.get(key)
        if value is None:
            problem = f"{self._path}{key} is missing"
        else:
            problem = f"{self._path}{key} is {value!r:.60}, not {wanted}"
        return CheckpointInvalid(f"{self.file}: {problem}", file=self.file)

    def integer(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        value = self.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(key, f"a whole number of at least {least}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise self.wrong(key, "a number above 0")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def text(self, key: str, default: str) -> str:
        value = self.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "text")
        return value

    def choice(self, key: str, choices: Sequence[Choice]) -> Choice:
        value = self._values.get(key)
        for choice in choices:
            if value == choice:
                return choice
        raise self.wrong(key, f"one that is known ({', '.join(choices)})")

    def integers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.get(key, default)
        if not isinstance(value, list | tuple) or not all(
            isinstance(item, int) and item > 0 for item in value
        ):
            raise self.wrong(key, "a list of whole numbers")
        return tuple(value)

    def table(self, key: str, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        value = self.get(key, default)
        if not isinstance(value, Mapping):
            raise self.wrong(key, "an object")
        return value

    def fields(self, key: str, default: Mapping[str, Any] | None = None) -> Fields:
        return Fields(self.file, self.table(key, default), f"{self._path}{key}.")

    def ids(self, key: str) -> dict[str, int]:
        """Names in lower case to ids. Some conversions store an id as a list of one."""
        found = {}
        for name, value in self.table(key, {}).items():
            one = value[0] if isinstance(value, list) and len(value) == 1 else value
            if not isinstance(one, int) or isinstance(one, bool) or one < 0:
                raise self.wrong(key, "names and ids")
            found[name.lower()] = one
        return found

    def get(self, key: str, default: Any) -> Any:
        """Whatever it is."""
        value = self._values.get(key)
        return default if value is None else value

    def fixed(self, values: Mapping[str, Any]) -> None:
        """Refuse any other value of keys that all published checkpoints agree in, and that are built in."""
        for key, value in values.items():
            if self.get(key, value) != value:
                raise self.wrong(key, repr(value))
