"""Which contexts may still be reported on."""

from __future__ import annotations

from streamer.server.reports import MOST, Reports


def test_a_context_is_due_once_after_its_end() -> None:
    reports = Reports()
    assert not reports.take("a")
    reports.ended("a")
    assert reports.take("a")
    assert not reports.take("a")
    reports.ended("a")
    assert reports.take("a")


def test_only_the_last_that_ended_are_remembered() -> None:
    reports = Reports()
    for i in range(MOST + 1):
        reports.ended(str(i))
    assert not reports.take("0")
    assert reports.take("1")


def test_a_name_that_ends_again_counts_as_new() -> None:
    reports = Reports()
    reports.ended("a")
    for i in range(MOST - 1):
        reports.ended(str(i))
    reports.ended("a")
    reports.ended("one more")
    assert reports.take("a")
    assert not reports.take("0")
