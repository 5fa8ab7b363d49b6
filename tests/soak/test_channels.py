"""500 listeners of one channel in three formats, 20 that read nothing, and who joins late.

The same run as `bench.channels`, held to what it must show.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench import channels
from tests.robustness.crowd import KINDS

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def crowd() -> tuple[channels.Run, dict[str, Any]]:
    return channels.run()


def test_it_is_spoken_once_and_encoded_once_for_each_format(
    crowd: tuple[channels.Run, dict[str, Any]],
) -> None:
    run, result = crowd
    assert run.figures["listeners"] == channels.LISTENERS
    assert run.figures["encoders"] == len(KINDS)
    assert result["checks"]["one_synthesis"], run.figures


def test_all_who_read_get_every_byte_of_the_first_and_late_ones_the_rest(
    crowd: tuple[channels.Run, dict[str, Any]],
) -> None:
    run, _ = crowd
    assert [ear.wrong for ear in run.ears if ear.wrong] == []
    assert run.exact == len(run.ears) == channels.LISTENERS + channels.LATE
    # They did join in the middle, each where it asked to.
    late = run.ears[-channels.LATE :]
    assert len({round(ear.start_s) for ear in late}) > channels.LATE // 2
    assert all(ear.begin > 0 for ear in late)


def test_who_reads_nothing_is_cut_and_nobody_else_notices(
    crowd: tuple[channels.Run, dict[str, Any]],
) -> None:
    run, result = crowd
    assert run.figures["cut"] == channels.STUCK
    assert [row["ran_dry"] for row in result["formats"]] == [0] * len(KINDS)
