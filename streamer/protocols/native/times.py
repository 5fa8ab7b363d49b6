"""Points in time on the wire: Unix seconds to ISO 8601 in UTC and back, to a millisecond.

The proleptic Gregorian calendar by arithmetic (Howard Hinnant, "chrono-Compatible Low-Level Date
Algorithms"): no clock is asked here.
"""

from __future__ import annotations

import re

_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)

LAST = 253402300799.0
"""9999-12-31T23:59:59Z: no year has more digits."""

_DAYS_OF_ERA = 146097
"""400 years, after which the calendar repeats itself."""
_EPOCH = 719468
"""Days from 0000-03-01, where an era begins, to 1970-01-01."""


def format_time(seconds: float) -> str:
    """`2026-01-31T12:00:00.500Z`."""
    ms = round(min(max(seconds, 0.0), LAST) * 1000)
    days, ms = divmod(ms, 86_400_000)
    year, month, day = _date(days)
    hours, ms = divmod(ms, 3_600_000)
    minutes, ms = divmod(ms, 60_000)
    return f"{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}Z"


def parse_time(text: str) -> float:
    """Unix seconds. Raises `ValueError` for what is no such time."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time in UTC: {text[:40]!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction = float(f"0.{match[7]}") if match[7] else 0.0
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second + fraction


def _date(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + _EPOCH, _DAYS_OF_ERA)
    year_of_era = (
        day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153  # months from March on, so that February is the last
    month = shifted + 3 if shifted < 10 else shifted - 9
    return era * 400 + year_of_era + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _days(year: int, month: int, day: int) -> int:
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_OF_ERA + day_of_era - _EPOCH
