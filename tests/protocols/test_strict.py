from typing import Annotated

import msgspec
import pytest

from streamer.errors import RequestError
from streamer.protocols.strict import Schema


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    inner: Inner | None = None


class Cat(msgspec.Struct, tag="cat", forbid_unknown_fields=True):
    lives: int = 9


class Dog(msgspec.Struct, tag="dog", forbid_unknown_fields=True):
    toys: list[str] = []


OUTER: Schema[Outer] = Schema(Outer)
PET: Schema[Cat | Dog] = Schema(Cat | Dog)


def fault(schema: Schema[Outer] | Schema[Cat | Dog], message: str | bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        schema.decode(message)
    return caught.value


def test_a_good_message_is_decoded() -> None:
    assert OUTER.decode(b'{"name":"a","inner":{"size":2}}') == Outer("a", Inner(2))
    assert PET.decode('{"type":"dog","toys":["ball"]}') == Dog(["ball"])


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ('{"name":"a","inner":{"size":0}}', "invalid_parameter", "inner.size"),
        ('{"name":"a","inner":{"sise":0}}', "unknown_parameter", "inner.sise"),
        ('{"name":"a","inner":[]}', "invalid_parameter", "inner"),
        ('{"inner":null}', "invalid_parameter", "name"),
        ('{"name":1,"other":2}', "unknown_parameter", "other"),
        ("5", "invalid_message", None),
        ("\udfff", "invalid_message", None),
        (b"\xfe", "invalid_message", None),
        ("[" * 100_000, "invalid_message", None),
    ],
)
def test_a_fault_is_found_where_it_is(message: str | bytes, code: str, param: str | None) -> None:
    error = fault(OUTER, message)

    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ('{"type":"cow"}', "unknown_parameter", "type"),
        ('{"type":null}', "invalid_message", "type"),
        ('{"lives":9}', "invalid_message", "type"),
        ('{"type":"cat","toys":[]}', "unknown_parameter", "toys"),
        ('{"type":"dog","toys":[7]}', "invalid_parameter", "toys"),
    ],
)
def test_the_tag_picks_the_struct(message: str, code: str, param: str) -> None:
    error = fault(PET, message)

    assert (error.code, error.param) == (code, param)


def test_a_fault_that_the_second_look_can_not_see_is_still_a_typed_error() -> None:
    """Of repeated keys the first look takes the first tag, the second look the last."""
    assert fault(PET, '{"type":"cow","type":"cat"}').code == "invalid_message"
