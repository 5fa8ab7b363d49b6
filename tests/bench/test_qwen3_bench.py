"""The bench of the engine qwen3: it runs where there is no GPU, says so, and knows what is met."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.qwen3 import chosen, targets

ROOT = Path(__file__).parents[2]
SERVER_ONLY = ("av", "httpx", "msgspec", "starlette", "typer", "uvicorn", "uvloop", "websockets")
WITHOUT = f"""
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {SERVER_ONLY}:
            raise ModuleNotFoundError(name, name=name.partition(".")[0])
sys.meta_path.insert(0, Missing())
runpy.run_module("bench.qwen3", run_name="__main__", alter_sys=True)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """Of a tiny run with nothing of the server installed."""
    small = "--rows 1 3 --frames 10 --repeats 2 --no-parts".split()
    done = run("--device", "cpu", "--size", "tiny", "--json", *small)
    assert done.returncode == 0, done.stderr
    assert "qwen3 tiny on cpu, not a GPU" in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_runs_without_a_gpu_and_without_the_servers_packages(result: dict[str, Any]) -> None:
    assert result["hardware"]["device"] == "cpu, not a GPU"
    assert [row["rows"] for row in result["steps"]] == [1, 3]
    assert result["first_packet_ms"] > 0
    assert [row["sockets"] for row in result["beside_sockets"]] == [0, 64]
    assert result["left_out"] == []


def test_what_it_measured_is_checked_and_a_cpu_has_no_targets(result: dict[str, Any]) -> None:
    assert len(result["checks"]) == 8
    assert all(row["met"] for row in result["checks"])
    assert result["targets"] == []
    assert result["met"]


def test_without_the_servers_packages_the_road_says_what_is_missing() -> None:
    done = run("--device", "cpu", "--size", "tiny", "--road")
    assert done.returncode == 1
    assert "--road drives the whole server" in done.stderr
    assert "Traceback" not in done.stderr


def measured(**figures: float) -> dict[str, Any]:
    usual = {"first": 7.9, "frame": 3.0, "step": 8.0, "audio": 640.0, "startup": 20.0}
    usual |= figures
    return {
        "size": "0.6B",
        "hardware": {"device": "NVIDIA H200"},
        "first_packet_ms": usual["first"],
        "startup_s": usual["startup"],
        "steps": [
            {"rows": 1, "with_sound_ms": usual["frame"], "audio_s_per_s": 26.0},
            {"rows": 64, "with_sound_ms": usual["step"], "audio_s_per_s": usual["audio"]},
        ],
    }


def test_every_target_stands_beside_its_figure() -> None:
    rows = {row["what"]: row for row in targets(measured())}
    assert all(row["met"] for row in rows.values())
    assert rows["first_packet_ms"]["target"] == 8.0
    assert rows["audio_s_per_s_of_64"]["measured"] == 640.0


@pytest.mark.parametrize(
    ("figure", "value", "missed"),
    [
        ("first", 8.1, "first_packet_ms"),
        ("frame", 3.1, "frame_ms"),
        ("step", 8.1, "step_of_64_ms"),
        ("audio", 639.0, "audio_s_per_s_of_64"),
        ("startup", 21.0, "startup_s"),
    ],
)
def test_one_that_is_missed_is_named(figure: str, value: float, missed: str) -> None:
    rows = targets(measured(**{figure: value}))
    assert [row["what"] for row in rows if not row["met"]] == [missed]


def test_what_was_not_measured_is_not_met() -> None:
    result = measured()
    result["steps"] = result["steps"][:1]
    missed = [row["what"] for row in targets(result) if not row["met"]]
    assert missed == ["step_of_64_ms", "audio_s_per_s_of_64"]


def test_the_larger_model_has_more_time() -> None:
    rows = {row["what"]: row["target"] for row in targets(measured() | {"size": "1.7B"})}
    assert (rows["first_packet_ms"], rows["frame_ms"]) == (10.0, 3.5)


def test_a_gpu_is_measured_at_all_numbers_of_rows() -> None:
    options: argparse.Namespace = chosen(["--size", "1.7B"])
    assert (options.device, options.checks) == ("cuda", True)
    assert options.rows == (1, 4, 8, 16, 32, 64, 128)
    assert chosen(["--device", "cpu", "--size", "0.6B"]).checks is False
