"""What a value of a type is, in words for people: "a number from 0.25 to 4"."""

from __future__ import annotations

from typing import Any

from msgspec import inspect

_KINDS = (
    (inspect.BoolType, "true or false"),
    (inspect.StructType, "an object"),
    (inspect.NoneType, "null"),
)


def wording(type_: Any) -> str:
    """What a value of it must be. None is left out: a field may always be left out itself."""
    return _told(inspect.type_info(type_))


def _told(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _told(inner)
        case inspect.UnionType(types=types):
            some = [_told(each) for each in types if not isinstance(each, inspect.NoneType)]
            return " or ".join(some)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(repr(value) for value in values)
        case inspect.IntType():
            return "a whole number" + _range(info)
        case inspect.FloatType():
            return "a number" + _range(info)
        case inspect.StrType():
            form = " of the documented form" if info.pattern else ""
            return "a text" + _length(info.min_length, info.max_length, "characters") + form
        case inspect.DictType():
            count = _length(info.min_length, info.max_length, "entries")
            return f"an object{count}, each from {_told(info.key_type)} to {_told(info.value_type)}"
        case inspect.ListType() | inspect.VarTupleType():
            count = _length(info.min_length, info.max_length, "items")
            return f"a list{count}, each {_told(info.item_type)}"
    return next((said for kind, said in _KINDS if isinstance(info, kind)), "of another type")


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    least = info.ge if info.ge is not None else info.gt
    most = info.le if info.le is not None else info.lt
    low = "above" if info.ge is None else "from"
    high = "below" if info.le is None else "to" if low == "from" else "at most"
    if least is None and most is None:
        return ""
    if most is None:
        return f" {'above' if info.ge is None else 'of at least'} {least:.16g}"
    if least is None:
        return f" {'below' if info.le is None else 'of at most'} {most:.16g}"
    return f" {low} {least:.16g} {'and ' if high != 'to' else ''}{high} {most:.16g}"


def _length(least: int | None, most: int | None, what: str) -> str:
    if most is None:
        if least == 1:
            return " that is not empty"
        return f" of at least {least} {what}" if least else ""
    return f" of {least} to {most} {what}" if least else f" of up to {most} {what}"
