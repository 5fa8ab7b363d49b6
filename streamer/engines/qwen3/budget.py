"""How long a sequence may become, and how to see that it will not end by itself. No torch.

Of real weights 0.3 to 0.7 % of all sequences miss their end and go on with room tone or one sound
(sglang-omni issue 1179, QwenLM/Qwen3-TTS issue 118); short texts do so more often.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from streamer.engines.qwen3.plans import FRAME_SECONDS, Reason
from streamer.types import Samples

SAMPLES = 1920
"""Of a frame, at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Frames of a text of n tokens: `max(least, per_token * n)`, then an end becomes likelier with every
    frame (`sampling`), and `over` frames later the sequence is ended.

    Speech has 12.5 frames a second and some 4 tokens, so 6 a token is about twice what it takes. The
    end's bias outweighs the lowest logit that was seen within 70 frames.
    """

    least: int = 75
    per_token: float = 6.0
    over: int = 100

    def frames(self, tokens: int) -> int:
        return max(self.least, round(self.per_token * tokens))

    def most(self, tokens: int) -> int:
        return self.frames(tokens) + self.over


class Loop:
    """Hears first codes, one a frame, and tells when they go round in a circle: `LEAST_S` of speech that
    repeats the `PERIODS` last frames or fewer. Pauses and held vowels are shorter."""

    LEAST_S = 2.4
    PERIODS = 12

    def __init__(self) -> None:
        self._least = round(self.LEAST_S / FRAME_SECONDS)
        self._codes: deque[int] = deque(maxlen=self.PERIODS)
        self._runs = [0] * self.PERIODS

    def push(self, code: int) -> bool:
        """Whether it is a loop, and has been for `LEAST_S`."""
        for back, before in enumerate(reversed(self._codes)):
            self._runs[back] = self._runs[back] + 1 if code == before else 0
        self._codes.append(code)
        return any(run >= max(self._least, 2 * period) for period, run in enumerate(self._runs, 1))


class Silence:
    """Hears sound and tells when it has died away for `LEAST_S`: below -46 dB of its loudest frame."""

    LEAST_S = 2.0
    PART = 0.005

    def __init__(self) -> None:
        self._loudest = 0.0
        self._quiet = 0

    def push(self, samples: Samples) -> bool:
        """Whole frames. Whether nothing has been heard for `LEAST_S`."""
        levels = np.sqrt(np.mean(samples.reshape(-1, SAMPLES) ** 2, axis=1))
        for level in levels.tolist():
            self._loudest = max(self._loudest, level)
            self._quiet = self._quiet + 1 if level <= self.PART * self._loudest else 0
        return self._quiet * FRAME_SECONDS >= self.LEAST_S


EARLIEST = 0.4
"""Part of the expected time below which a sequence has not said its text."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sequence came out. `frames` were made; `heard` rows of its `rows` of text went into them.
    `expected_s`: how long its text was expected to take."""

    reason: Reason
    frames: int
    heard: int
    rows: int
    expected_s: float

    @property
    def whole(self) -> bool:
        """Whether the text was said: all of it was heard, and it did not end much too early."""
        spoken = self.frames * FRAME_SECONDS
        return self.heard >= self.rows and spoken >= EARLIEST * self.expected_s

    @property
    def good(self) -> bool:
        """Whether there is nothing to try again."""
        return self.whole and self.reason == "stop"

    @property
    def rank(self) -> tuple[bool, bool]:
        """Of several tries the highest is the best: a whole one, then one that ended by itself."""
        return self.whole, self.reason == "stop"


def another(seed: int) -> int:
    """The seed of a second try: one that no request has."""
    return seed + (1 << 64)
