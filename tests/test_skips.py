"""Continuous integration runs with `--no-skips`: there a skip is a failure, but for the GPU's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.gpu
def test_needs_a_gpu(): pytest.skip("no accelerator")

def test_skips(): pytest.skip("no reason")

@pytest.mark.requires("no-such-program", "no-such-package")
def test_needs_a_program(): pass

@pytest.mark.requires("sh", "dash")
def test_has_its_program(): pass

@pytest.mark.xfail
def test_fails_as_expected(): assert False
"""
INI = "[pytest]\nmarkers =\n  gpu\n  requires(program, package)\n"


SEVERAL = ("-n", "2", "--dist", "loadfile")
"""In processes of their own, as `make test` has them."""


def outcome(directory: Path, *flags: str) -> str:
    """What pytest prints for these tests under our conftest."""
    shutil.copy(Path(__file__).with_name("conftest.py"), directory / "conftest.py")
    (directory / "pytest.ini").write_text(INI)
    (directory / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *flags]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True).stdout


def test_a_skip_names_the_package_that_is_missing(tmp_path: Path) -> None:
    assert "apt-get install no-such-package" in outcome(tmp_path)


def test_skips_are_skips_where_nothing_is_said(tmp_path: Path) -> None:
    assert "1 passed, 3 skipped, 1 xfailed" in outcome(tmp_path)


@pytest.mark.parametrize("processes", [(), SEVERAL], ids=["one process", "several"])
def test_no_skip_but_the_gpus_passes_in_continuous_integration(
    tmp_path: Path, processes: tuple[str, ...]
) -> None:
    out = outcome(tmp_path, "--no-skips", *processes)
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in out
    assert "skipped under --no-skips: Skipped: no reason" in out


@pytest.mark.parametrize("processes", [(), SEVERAL], ids=["one process", "several"])
def test_a_module_that_skips_itself_fails_too(tmp_path: Path, processes: tuple[str, ...]) -> None:
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such')\n")
    assert "1 skipped" in outcome(tmp_path, *processes, "test_whole.py")
    assert "1 error" in outcome(tmp_path, "--no-skips", *processes, "test_whole.py")


@pytest.mark.requires("bash", "bash")
def test_continuous_integration_asks_for_no_skips() -> None:
    script = Path(__file__).parents[1] / ".ci" / "run"
    lines = script.read_text("utf-8").splitlines()
    for target in ("make test", "make soak"):
        assert [line for line in lines if line.startswith(target) and "--no-skips" in line]
    assert subprocess.run(["bash", "-n", script]).returncode == 0
