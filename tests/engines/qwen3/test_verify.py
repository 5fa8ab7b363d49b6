"""What `streamer doctor --verify` tells of a checkpoint."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from typer.testing import CliRunner

from streamer.cli import app
from streamer.engines.qwen3 import against
from streamer.engines.qwen3.checkpoint import open_checkpoint
from streamer.engines.qwen3.config import Kind
from streamer.engines.qwen3.verify import (
    FRAMES,
    TEXT,
    Check,
    codes_of_ours,
    compared,
    faults,
    verify,
)
from streamer.text.alignment import expected_seconds
from tests.engines.qwen3 import small

RATE = 24000


def checks(kind: Kind) -> dict[str, Check]:
    return {
        check.name: check
        for check in verify(small.checkpoint(kind), small.settings(kind), small.BUDGET)
    }


def speech(seconds: float, level: float = 0.1) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise in syllables, with pauses between them."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).normal(0, level, len(time))
    return (noise * (np.sin(2 * math.pi * 3 * time) > -0.5)).astype(np.float32)


def test_sound_that_is_like_speech_has_no_faults() -> None:
    assert faults(speech(expected_seconds(TEXT)), TEXT) == []


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        (speech(1.0), "were expected"),
        (speech(20.0), "were expected"),
        (np.zeros(5 * RATE, np.float32), "silent"),
        (np.concatenate((speech(1.0), np.zeros(4 * RATE, np.float32))), "silent"),
        (speech(5.0, 0.01), "dBFS"),
        (np.clip(speech(5.0, 0.8), -1, 1), "clipped"),
    ],
)
def test_faults_are_told(samples: Any, fault: str) -> None:
    assert fault in " ".join(faults(samples, TEXT))


@pytest.mark.parametrize(
    ("kind", "modes"),
    [
        ("custom_voice", {"voice ryan", "voice ryan, language told"}),
        ("base", {"clone", "clone with its transcript"}),
        ("voice_design", {"design"}),
    ],
)
def test_every_mode_of_a_checkpoint_is_spoken(
    kind: Kind, modes: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against, "there", lambda: False)
    found = checks(kind)
    assert set(found) == {"load", "codes of the reference"} | modes
    assert found["load"].ok
    assert found["codes of the reference"].ok is None
    for mode in modes:
        assert "x real time" in found[mode].detail


def test_codes_are_compared_with_those_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = codes_of_ours(
        open_checkpoint(small.checkpoint("custom_voice"), "cpu", torch.float32),
        np.zeros(32, np.float32),
    )
    assert ours.shape == (FRAMES, 16)
    monkeypatch.setattr(against, "there", lambda: True)
    for change, ok in ((0, True), (1, False)):
        theirs = ours.copy()
        theirs[7, 3] += change
        monkeypatch.setattr(against, "codes_of_reference", lambda *_, theirs=theirs: theirs)
        check = compared(small.checkpoint("custom_voice"), small.settings())
        assert check.ok is ok
        assert check.detail == f"{7 if change else FRAMES} of {FRAMES} frames are equal"


def test_checkpoint_that_is_none_fails_the_doctor(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--verify", str(tmp_path), "--json"])
    assert result.exit_code == 1
    (finding,) = json.loads(result.output)
    assert (finding["topic"], finding["name"], finding["state"]) == ("verify", "load", "failed")
    assert "config.json" in finding["detail"]
