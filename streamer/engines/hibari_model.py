"""The network of the embedded voice, run in stages: text, prosody, and a decoder that makes the sound's
spectrum for any stretch of it, so that the first words need not wait for the last.

Knows phoneme ids and frames, no text. A frame of duration is 25 ms, a frame of spectrum (a hop) 12.5 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from streamer.engines.hibari_graph import MissingTensor, extract_stage

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

# Inner tensors of the model file of hibari-tts 0.2.1, (1, channels, length) but for the durations.
_RAW_DURATIONS = "/Sub_output_0"
_TEXT = "/Transpose_22_output_0"
_PROSODY_TEXT = "/Transpose_55_output_0"
_PROSODY_INPUT = "/Gather_33_output_0"
_PROSODY = ("f0", "/Div_41_output_0", "/Div_42_output_0")
_DECODER_INPUT = "/Concat_43_output_0"
_DECODER_OUTPUT = "/head/Add_output_0"

HOPS_PER_FRAME = 2
_CONTEXT = 12
"""Hops decoded around a stretch. Nine convolutions of width 7 reach 27 hops, but beyond these 12 what is
left out changes less than the rounding of the 8-bit weights (28 dB below the sound, either way)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An utterance before it sounds.

    `durations` (phonemes,): 25 ms frames of each phoneme id, None where the model does not tell.
    `f0` (hops,): pitch in Hz, below 40 unvoiced. `state` (channels, hops): the decoder's own.
    """

    durations: Ints | None
    f0: Floats
    state: Floats

    @property
    def hops(self) -> int:
        return len(self.f0)


class Model(Protocol):
    timed: bool
    """Whether plans have durations."""

    def plan(self, ids: list[int], speed: float) -> Plan:
        """From phoneme ids with a 0 at both ends. `speed` is 0.5 to 2."""
        ...

    def decode(self, plan: Plan, first: int, last: int) -> Floats:
        """The spectrum of the hops `first` to `last` (not included): (hops, 5 * 601)."""
        ...


def open_model(model: bytes) -> Model:
    """In stages, if this is the model whose inner tensors are known here, else as a whole."""
    try:
        return StagedModel(model)
    except MissingTensor:
        return WholeModel(model)


class StagedModel:
    """Three sessions. What a hop depends on is bounded, so a stretch is decoded with little around it."""

    timed = True

    def __init__(self, model: bytes) -> None:
        self._text = _session(
            extract_stage(model, {"ids": ()}, (_RAW_DURATIONS, _TEXT, _PROSODY_TEXT))
        )
        self._prosody = _session(
            extract_stage(model, {_PROSODY_INPUT: (1, "channels", "frames")}, _PROSODY)
        )
        self._decoder = _session(
            extract_stage(model, {_DECODER_INPUT: (1, "channels", "hops")}, (_DECODER_OUTPUT,))
        )

    def plan(self, ids: list[int], speed: float) -> Plan:
        raw, text, prosody_text = self._text.run(None, {"ids": np.array([ids], np.int64)})
        durations = durations_at(raw.reshape(-1), speed)
        stretched = np.repeat(prosody_text, durations, axis=2)
        f0, *curves = self._prosody.run(None, {_PROSODY_INPUT: stretched})
        text = np.repeat(text[0], HOPS_PER_FRAME * durations, axis=1)
        return Plan(durations, f0[0], np.concatenate([text, *(curve[0] for curve in curves)]))

    def decode(self, plan: Plan, first: int, last: int) -> Floats:
        start = max(0, first - _CONTEXT)
        window = np.ascontiguousarray(plan.state[None, :, start : last + _CONTEXT])
        spectrum: Floats = self._decoder.run(None, {_DECODER_INPUT: window})[0][0]
        return spectrum[first - start : last - start]


class WholeModel:
    """The model as it comes: one session, no durations, all decoded at once."""

    timed = False

    def __init__(self, model: bytes) -> None:
        self._session = _session(model)

    def plan(self, ids: list[int], speed: float) -> Plan:
        feed = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
        *spectrum, f0 = self._session.run(None, feed)[:6]
        return Plan(None, f0[0], np.concatenate([part[0] for part in spectrum]))

    def decode(self, plan: Plan, first: int, last: int) -> Floats:
        return np.ascontiguousarray(plan.state[:, first:last].T)


def durations_at(raw: Floats, speed: float) -> Ints:
    """Whole frames of each phoneme at a speed, from the fractional ones at speed 1.

    At 1 they are what the model makes of them. At another speed so many are rounded up to one frame
    that the length would be off by up to a fifth: the divisor is chosen so that all together
    last 1/speed of what they last at speed 1.
    """
    unchanged = np.maximum(np.rint(raw), 1)
    if speed == 1.0:
        return unchanged.astype(np.int64)
    divisors = speed * np.linspace(0.6, 1.8, 241)
    candidates = np.maximum(np.rint(raw / divisors[:, None]), 1)
    misses = np.abs(candidates[:, 1:-1].sum(axis=1) - unchanged[1:-1].sum() / speed)
    best = int(np.lexsort((np.abs(divisors - speed), misses))[0])
    chosen: Ints = candidates[best].astype(np.int64)
    return chosen


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: utterances run side by side, and splitting one this small costs more than it gives.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
