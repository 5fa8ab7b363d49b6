from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from streamer.protocols.wording import wording


class Inner(msgspec.Struct):
    pass


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (bool | None, "true or false"),
        (Literal["a", "b"] | None, "one of 'a', 'b'"),
        (int, "a whole number"),
        (Annotated[int, Meta(ge=1, le=9)], "a whole number from 1 to 9"),
        (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
        (Annotated[int, Meta(le=9)], "a whole number of at most 9"),
        (Annotated[int, Meta(ge=0, le=2**53)], "a whole number from 0 to 9007199254740992"),
        (Annotated[float, Meta(gt=0, lt=1)] | None, "a number above 0 and below 1"),
        (Annotated[float, Meta(gt=0, le=1)], "a number above 0 and at most 1"),
        (Annotated[float, Meta(gt=0)], "a number above 0"),
        (Annotated[float, Meta(lt=0)], "a number below 0"),
        (str, "a text"),
        (Annotated[str, Meta(min_length=1)], "a text that is not empty"),
        (Annotated[str, Meta(min_length=2)], "a text of at least 2 characters"),
        (Annotated[str, Meta(max_length=9)], "a text of up to 9 characters"),
        (Annotated[str, Meta(pattern="^a")], "a text of the documented form"),
        (Annotated[list[int], Meta(max_length=3)], "a list of up to 3 items, each a whole number"),
        (dict[str, bool], "an object, each from a text to true or false"),
        (str | int, "a whole number or a text"),
        (Inner | None, "an object"),
        (bytes, "of another type"),
    ],
)
def test_a_type_is_said_in_words(type_: Any, said: str) -> None:
    assert sorted(wording(type_).split()) == sorted(said.split())
    assert "None" not in wording(type_)
