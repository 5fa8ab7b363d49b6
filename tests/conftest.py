"""What every test may use: a program or a skip that names its package, and no skips where none may be.
Loggers are for each as they were.

`--no-skips` is for continuous integration, where everything is installed: there a skip is a failure,
but for tests marked `gpu`.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

NO_SKIPS = "--no-skips"

# A busy machine is no failure: hypothesis measures time by default. The same code has the same examples, so
# that a run says something of the change; `--hypothesis-profile explore` looks for new ones.
settings.register_profile(
    "explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("same", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(NO_SKIPS, action="store_true", help="a skip is a failure, but for marker gpu")


def pytest_configure() -> None:
    # What tests start and interrupt would inherit it from a run in the background.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _undisturbed() -> Iterator[None]:
    """`serve` sets the interpreter and the loggers up for a process of its own."""
    interval = sys.getswitchinterval()
    loggers = [logging.getLogger(name) for name in ("streamer", "uvicorn", "asyncio")]
    before = [(each, each.handlers, each.level, each.propagate) for each in loggers]
    yield
    sys.setswitchinterval(interval)
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Outermost directories first is pytest's own order; the slow browser goes last. `make test` keeps it
    by the file: the long acceptance tests begin, and no file of minutes is left for the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("requires"):
        program, package = mark.args
        if shutil.which(program) is None:
            pytest.skip(f"no program {program!r}: apt-get install {package}")


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skipped under {NO_SKIPS}: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected_failure = hasattr(report, "wasxfail")
    may_skip = item.get_closest_marker("gpu") is not None
    if item.config.getoption(NO_SKIPS) and report.skipped and not (expected_failure or may_skip):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if collector.config.getoption(NO_SKIPS) and report.outcome == "skipped":
        _refuse(report)
    return report
