"""DistillMOS as a process in an environment of its own: WAV files (16 kHz, mono, 16 bit) in, predicted
mean opinion scores out, one JSON number a line. Nothing of this project is imported on that side.
"""

from __future__ import annotations

import contextlib
import json
import sys
import types
import wave

REQUIREMENTS = ("torch==2.13.0", "distillmos==0.9.1", "numpy==2.4.6")


def main() -> None:
    # distillmos wants only a name of torchaudio, whose wheel is built for CUDA and fails without it.
    transforms = types.ModuleType("torchaudio.transforms")
    transforms.MFCC = object  # type: ignore[attr-defined]
    torchaudio = types.ModuleType("torchaudio")
    torchaudio.transforms = transforms  # type: ignore[attr-defined]
    sys.modules.update({"torchaudio": torchaudio, "torchaudio.transforms": transforms})
    import distillmos  # type: ignore[import-not-found]
    import numpy as np
    import torch

    with contextlib.redirect_stdout(sys.stderr):  # it tells where its weights come from
        model = distillmos.ConvTransformerSQAModel().eval()
    for line in sys.stdin:
        with wave.open(line.strip()) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
        with torch.no_grad():
            print(json.dumps(float(model(torch.from_numpy(sound)[None]))), flush=True)


if __name__ == "__main__":
    main()
