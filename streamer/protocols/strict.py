"""What clients send, JSON or a query, read strictly: into msgspec Structs, every error naming the
parameter at fault and saying what it must be.

Shared by the dialects; knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast, get_args

import msgspec

from streamer.errors import InvalidMessage, InvalidParameter, RequestError, UnknownParameter
from streamer.protocols.wording import wording

T = TypeVar("T")

_ECHO = 64
"""Most characters of a client's own words that an error quotes back."""


class Schema(Generic[T]):
    """One Struct, or a union of Structs told apart by their tag.

    A good message is decoded in one pass. Only a bad one is looked at again, field by field: msgspec
    says where it failed in prose alone, and nothing here parses prose.
    """

    def __init__(self, type_: Any) -> None:
        self._type = type_
        self._decoder = msgspec.json.Decoder(type_)
        structs: tuple[type[msgspec.Struct], ...] = get_args(type_) or (type_,)
        self._by_tag = {s.__struct_config__.tag: s for s in structs}
        self._tag_field = structs[0].__struct_config__.tag_field

    def decode(self, message: str | bytes) -> T:
        """The message. Raises `InvalidMessage`, `UnknownParameter` or `InvalidParameter`."""
        try:
            return cast(T, self._decoder.decode(message))
        except msgspec.ValidationError:
            raise self._fault(message) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise _not_json() from None

    def query(self, values: Mapping[str, str]) -> T:
        """A query as the one Struct, numbers and truths read from their texts. Raises
        `UnknownParameter` or `InvalidParameter`."""
        try:
            return cast(T, msgspec.convert(dict(values), self._type, strict=False))
        except msgspec.ValidationError:
            (struct,) = self._by_tag.values()
            fault = _fault_in(values, struct, "", strict=False)
            raise fault or InvalidMessage("not a query of this address") from None

    def _fault(self, message: str | bytes) -> RequestError:
        try:
            value = msgspec.json.decode(message)
            if not isinstance(value, dict):
                return InvalidMessage("a message is a JSON object")
            if self._tag_field is None:
                (struct,) = self._by_tag.values()
            else:
                tag = value.pop(self._tag_field, None)
                if not isinstance(tag, str):
                    return InvalidMessage(
                        f"a message says its `{self._tag_field}`", param=self._tag_field
                    )
                if tag not in self._by_tag:
                    return UnknownParameter(f"no message {tag[:_ECHO]!r}", param=self._tag_field)
                struct = self._by_tag[tag]
            return _fault_in(value, struct, "") or InvalidMessage("not a message of this protocol")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _not_json()


def _not_json() -> InvalidMessage:
    return InvalidMessage("not JSON, or nested too deeply")


def _fault_in(
    value: Mapping[str, Any], struct: type[msgspec.Struct], path: str, *, strict: bool = True
) -> RequestError | None:
    """The first thing wrong with `value` as a `struct`; `path` is a prefix such as "audio."."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name in value:
        if name not in fields:
            param = path + name[:_ECHO]
            return UnknownParameter(f"no parameter {param!r} here", param=param)
    for name, field in fields.items():
        param = path + name
        if name not in value:
            if field.required:
                return InvalidParameter(f"{param} is missing", param=param)
            continue
        inner = _struct_of(field.type)
        if inner is not None and isinstance(value[name], dict):
            fault = _fault_in(value[name], inner, param + ".")
            if fault is not None:
                return fault
            continue
        try:
            msgspec.convert(value[name], field.type, strict=strict)
        except msgspec.ValidationError:
            return InvalidParameter(f"{param} must be {wording(field.type)}", param=param)
    return None


def _struct_of(type_: Any) -> type[msgspec.Struct] | None:
    """The Struct in `Struct` or `Struct | None`."""
    for option in get_args(type_) or (type_,):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None
