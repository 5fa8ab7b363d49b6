"""Judges of speech that live in processes of their own: Whisper hears words, DistillMOS scores."""

from __future__ import annotations

import json
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from bench import distillmos_scores, whisper_words
from bench.hearing import Samples
from bench.venvs import virtual_environment

RATE = 16000


class Judge:
    """A script that answers a line of JSON for each WAV file, in the environment of that name."""

    def __init__(self, name: str, script: str | None, requirements: Sequence[str]) -> None:
        python = virtual_environment(name, requirements)
        assert script is not None
        self._directory = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()
        self._directory.cleanup()

    def judge(self, samples: Samples, rate: int) -> Any:
        """The script's answer for that sound."""
        path = Path(self._directory.name) / "sound.wav"
        write_wav(path, resample(samples, rate, RATE), RATE)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{path}\n".encode())
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"the judge has gone: exit code {self._process.wait()}")
        return json.loads(answer)


def whisper() -> Judge:
    """Answers `[[word, start_s, end_s], ...]`."""
    return Judge("whisper", whisper_words.__file__, whisper_words.REQUIREMENTS)


def distillmos() -> Judge:
    """Answers a score of 1 to 5."""
    return Judge("distillmos", distillmos_scores.__file__, distillmos_scores.REQUIREMENTS)


def resample(samples: Samples, rate: int, to: int) -> Samples:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=to)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "flt", "mono")
    frame.sample_rate = rate
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in frames])


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Mono, 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
