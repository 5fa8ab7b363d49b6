"""What speech costs: by who spoke it, never more than was said before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.prices import Bill, Choice, Prices
from streamer.types import Capabilities

CHAIN = Choice(Capabilities(price_per_1000=1.0, prices={"a": 1.0, "b": 5.0, "c": None}))
DEAR = Choice(Capabilities(price_per_1000=20.0))
FREE = Choice(Capabilities(price_per_1000=0.0))
USUAL = Choice(Capabilities())


def test_an_engine_has_its_own_price_or_the_usual_one() -> None:
    prices = Prices(2.0)
    assert [prices.of(each) for each in (USUAL, DEAR, FREE)] == [2.0, 20.0, 0.0]
    assert [prices.at_most(each) for each in (USUAL, DEAR, FREE)] == [2.0, 20.0, 0.0]


def test_a_chain_has_those_of_its_steps_and_at_most_the_dearest() -> None:
    prices = Prices(2.0)
    assert [prices.of(CHAIN, who) for who in ("", "a", "b", "c")] == [1.0, 1.0, 5.0, 2.0]
    assert prices.at_most(CHAIN) == 5.0
    assert Prices(9.0).at_most(CHAIN) == 9.0


def test_a_model_may_have_a_price_of_its_own() -> None:
    engine = Capabilities(price_per_1000=3.0, models={"usual": None, "hd": 30.0, "gift": 0.0})
    for model, price in (("", 3.0), ("usual", 3.0), ("hd", 30.0), ("gift", 0.0)):
        choice = Choice(engine, model)
        assert (Prices(2.0).of(choice), Prices(2.0).at_most(choice)) == (price, price)


def test_each_segment_is_counted_at_the_price_of_who_spoke_it() -> None:
    bill = Bill(Prices(2.0))
    bill.add(0, 0, 10, CHAIN, CHAIN)
    assert bill.cost(10, CHAIN) == 0.01, "nobody has spoken yet: as the first step"
    bill.add(1, 11, 9, CHAIN, CHAIN)
    bill.spoken(0, "b")
    assert bill.cost(20, CHAIN) == pytest.approx((50 + 1 + 9) / 1000)
    bill.spoken(1, "c")
    bill.spoken(1, "a")  # only its first chunk counts
    bill.add(2, 21, 4, CHAIN, CHAIN)
    assert bill.cost(25, CHAIN) == pytest.approx((50 + 1 + 18 + 1 + 8) / 1000), "as who was last"


def test_what_another_engine_is_handed_costs_as_it_does_and_the_space_around_as_who_was_asked() -> (
    None
):
    bill = Bill(Prices(0.0))
    bill.add(0, 2, 10, DEAR, FREE)
    assert bill.cost(15, FREE) == pytest.approx(0.2)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(1, 50),
            st.sampled_from([CHAIN, DEAR, FREE, USUAL]),
            st.sampled_from(["", "a", "b", "c"]),
        ),
        max_size=12,
    ),
    st.sampled_from([CHAIN, DEAR, FREE]),
)
def test_no_bill_is_higher_than_what_was_said_before(
    lines: list[tuple[int, int, Choice, str]], asked: Choice
) -> None:
    before, after = Bill(Prices(3.0)), Bill(Prices(3.0))
    at = 0
    for index, (gap, length, engine, speaker) in enumerate(lines):
        before.add(index, at + gap, length, engine, asked, at_most=True)
        after.add(index, at + gap, length, engine, asked)
        if speaker:
            after.spoken(index, speaker)
        at += gap + length
    assert after.cost(at + 1, asked) <= before.cost(at + 1, asked) + 1e-12
