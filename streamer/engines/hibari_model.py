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
UNVOICED_HZ = 40.0
_SMEAR = 2
_AUDIBLE = 0.0
"""The network's energy where its sound crosses -50 dBFS, to 20 ms over 24 sentences and all speeds."""
_SILENT = -0.8
_MARGIN = 4
_CONTEXT = 12
"""Hops decoded around a stretch. Nine convolutions of width 7 reach 27 hops, but beyond these 12 what is
left out changes less than the rounding of the 8-bit weights (28 dB below the sound, either way)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An utterance before it sounds.

    `edges` (phonemes + 1,): the hop at which each phoneme id begins, and the end of the last; None where
    the model does not tell. `f0` (hops,): pitch in Hz, unvoiced below 40. `state` (channels, hops): the
    decoder's own. `audible`: the hops outside of which there is only silence; `end`: the hop at which
    the sound falls under about -50 dBFS for good, 0 where the model does not tell.
    """

    edges: Ints | None
    f0: Floats
    state: Floats
    audible: tuple[int, int]
    end: int = 0

    @property
    def hops(self) -> int:
        return len(self.f0)


class Model(Protocol):
    timed: bool
    """Whether plans have edges."""

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
        durations = np.maximum(np.rint(raw.reshape(-1)), 1).astype(np.int64)
        stretched = np.repeat(prosody_text, durations, axis=2)
        f0, pitch, energy = self._prosody.run(None, {_PROSODY_INPUT: stretched})
        edges = np.concatenate([[0], np.cumsum(durations) * HOPS_PER_FRAME])
        curves = np.concatenate([f0, pitch[0], energy[0]])
        if speed != 1.0:
            edges, curves = at_speed(edges, curves, speed)
        text = np.repeat(text[0], np.diff(edges), axis=1)
        audible, end = _audible(curves[2])
        return Plan(edges, curves[0], np.concatenate([text, curves[1:]]), audible, end)

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
        state = np.concatenate([part[0] for part in spectrum])
        return Plan(None, f0[0], state, (1, state.shape[1] - 2))

    def decode(self, plan: Plan, first: int, last: int) -> Floats:
        return np.ascontiguousarray(plan.state[:, first:last].T)


def at_speed(edges: Ints, curves: Floats, speed: float) -> tuple[Ints, Floats]:
    """Edges of phonemes, and `curves` (3, hops) of pitch in Hz, its logarithm and energy, faster.

    The model's own way is to divide each duration, but these are whole frames of 25 ms and mostly 1 to 3
    long: single sentences came out up to a quarter too long. Here all is scaled in hops, between the
    model's prosody and its decoder, and comes out within 3 %.
    """
    factor = _factor(curves[2], speed)
    faster = np.rint(edges / factor).astype(np.int64)
    # A hop at least for each phoneme; what that takes is given back by the next that has more.
    each = np.arange(len(faster))
    faster = np.maximum.accumulate(faster - each) + each
    hops = curves.shape[1]
    place = np.clip((np.arange(faster[-1]) + 0.5) * (edges[-1] / faster[-1]) - 0.5, 0, hops - 1)
    before = place.astype(np.int64)
    after = np.minimum(before + 1, hops - 1)
    weight = (place - before).astype(np.float32)
    scaled = curves[:, before] * (1 - weight) + curves[:, after] * weight
    # No gliding between a pitch and the zero that stands for none.
    nearest = curves[0, np.where(weight < 0.5, before, after)]
    voiced = np.minimum(curves[0, before], curves[0, after]) > UNVOICED_HZ
    scaled[0] = np.where(voiced, scaled[0], nearest)
    return faster, scaled


def _factor(energy: Floats, speed: float) -> float:
    """By what to divide so that the audible part gets `speed` times as short: the two hops by which the
    window of the synthesis smears its ends don't get shorter."""
    sounding = np.flatnonzero(energy > _AUDIBLE)
    length = float(np.ptp(sounding)) + 1 if len(sounding) else 0.0
    return max((length - _SMEAR) / max(length / speed - _SMEAR, 1.0), speed / 2)


def _audible(energy: Floats) -> tuple[tuple[int, int], int]:
    """Where the network's own curve of energy is not that of silence, with a margin, and its audible end."""
    sounding = np.flatnonzero(energy > _AUDIBLE)
    if not len(sounding):
        return (1, len(energy) - 2), 0
    not_silent = np.flatnonzero(energy > _SILENT)
    first, last = int(not_silent[0]) - _MARGIN, int(not_silent[-1]) + _MARGIN
    return (max(1, first), min(len(energy) - 2, last)), int(sounding[-1]) + 1


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: utterances run side by side, and splitting one this small costs more than it gives.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
