from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.protocols.native.times import LAST, format_time, parse_time


@given(st.floats(0, LAST).map(lambda seconds: round(seconds, 3)))
def test_a_time_is_read_back_and_is_what_datetime_says(seconds: float) -> None:
    text = format_time(seconds)

    assert abs(parse_time(text) - seconds) < 0.001
    assert abs(datetime.fromisoformat(text).timestamp() - seconds) < 0.0011


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_form_of_iso_in_utc_is_read(at: datetime) -> None:
    text = at.isoformat().replace("+00:00", "Z")

    assert abs(parse_time(text) - (at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) < 1e-3


def test_days_that_are_only_in_some_years() -> None:
    assert format_time(951782400.0) == "2000-02-29T00:00:00.000Z"
    assert format_time(68169599.9996) == "1972-02-29T00:00:00.000Z"
    assert format_time(-5.0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "text", ["", "2026-01-31", "2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00", "٢026-01-01T00"]
)
def test_what_is_no_time_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
