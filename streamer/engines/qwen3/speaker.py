"""A recording to the vector of its speaker (x-vector), which takes one position of a prompt.

A log mel spectrogram, then ECAPA-TDNN (arXiv 2005.07143) as `Qwen3TTSSpeakerEncoder` of the package
qwen-tts 0.1.1. All in float32, one recording at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from streamer.engines.qwen3.codec_config import SAMPLE_RATE, SpeakerConfig

_FFT = 1024
_HOP = 256
_FLOOR = 1e-5
"""Of the mel spectrogram, before the logarithm."""
SHORTEST_S = 0.1
"""Shorter recordings are refused by the padding, which mirrors."""


def mel_filters(
    mels: int, sample_rate: int = SAMPLE_RATE, fft: int = _FFT
) -> npt.NDArray[np.float32]:
    """Triangles on Slaney's mel scale from 0 to half the sample rate, each of area 1 (in Hz / 2):
    [mels, fft / 2 + 1], equal to `librosa.filters.mel`."""
    highest = _mel(sample_rate / 2)
    edges = _hertz(np.linspace(0.0, highest, mels + 2))
    bins = np.linspace(0.0, sample_rate / 2, fft // 2 + 1)
    widths = np.diff(edges)
    away = edges[:, None] - bins
    rising, falling = -away[:-2] / widths[:-1, None], away[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], dtype=np.float32)


# Slaney's scale (Auditory Toolbox): linear to 1 kHz, 15 mels; from there 27 mels for a factor of 6.4.
_LINEAR_HZ = 200.0 / 3
_KNEE_MEL = 15.0
_LOG_STEP = log(6.4) / 27


def _mel(hertz: float) -> float:
    knee = _KNEE_MEL * _LINEAR_HZ
    return hertz / _LINEAR_HZ if hertz < knee else _KNEE_MEL + log(hertz / knee) / _LOG_STEP


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _KNEE_MEL * _LINEAR_HZ * np.exp(_LOG_STEP * np.maximum(mels - _KNEE_MEL, 0.0))
    return np.where(mels < _KNEE_MEL, mels * _LINEAR_HZ, above)


def log_mel(sound: Tensor, filters: Tensor) -> Tensor:
    """Mono float32 [N] at 24 kHz, `SHORTEST_S` or longer -> [mels, N // 256]."""
    around = (_FFT - _HOP) // 2
    padded = functional.pad(sound[None], (around, around), "reflect")[0]
    window = torch.hann_window(_FFT, device=sound.device)
    spectrum = torch.stft(padded, _FFT, _HOP, window=window, center=False, return_complex=True)
    magnitude = torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + 1e-9)
    return (filters @ magnitude).clamp(min=_FLOOR).log()


@dataclass(frozen=True, slots=True)
class _Conv:
    """A centred convolution, its ends mirrored. `weight` [out, in, taps], taps odd."""

    weight: Tensor
    bias: Tensor
    dilation: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        side = (self.weight.shape[2] - 1) * self.dilation // 2
        if side:
            x = functional.pad(x, (side, side), "reflect")
        return functional.conv1d(x, self.weight, self.bias, dilation=self.dilation)


@dataclass(frozen=True, slots=True)
class _Block:
    """1x1, convolutions of parts each of which hears the one before, 1x1, a gain for each channel."""

    into: _Conv
    parts: tuple[_Conv, ...]
    out: _Conv
    squeeze: _Conv
    excite: _Conv

    def __call__(self, x: Tensor) -> Tensor:
        pieces = list(functional.relu(self.into(x)).chunk(len(self.parts) + 1, 1))
        for index, part in enumerate(self.parts, 1):
            heard = pieces[index] if index == 1 else pieces[index] + pieces[index - 1]
            pieces[index] = functional.relu(part(heard))
        y = functional.relu(self.out(torch.cat(pieces, 1)))
        gain = self.excite(functional.relu(self.squeeze(y.mean(2, keepdim=True))))
        return y * torch.sigmoid(gain) + x


class SpeakerEncoder:
    """Weights only."""

    def __init__(
        self, config: SpeakerConfig, tensors: Mapping[str, Tensor], device: torch.device
    ) -> None:
        """`tensors`: those of `codec_shapes.speaker_shapes`."""
        self.config, self.device = config, device

        def conv(name: str, dilation: int = 1) -> _Conv:
            weight, bias = (
                tensors[f"speaker_encoder.{name}.{part}"].to(device, torch.float32)
                for part in ("weight", "bias")
            )
            return _Conv(weight, bias, dilation)

        def block(index: int) -> _Block:
            name = f"blocks.{index}."
            return _Block(
                into=conv(f"{name}tdnn1.conv"),
                parts=tuple(
                    conv(f"{name}res2net_block.blocks.{part}.conv", config.dilations[index])
                    for part in range(config.scale - 1)
                ),
                out=conv(f"{name}tdnn2.conv"),
                squeeze=conv(f"{name}se_block.conv1"),
                excite=conv(f"{name}se_block.conv2"),
            )

        self._filters = torch.from_numpy(mel_filters(config.mels)).to(device)
        self._first = conv("blocks.0.conv", config.dilations[0])
        self._blocks = [block(index) for index in range(1, len(config.channels) - 1)]
        self._mix = conv("mfa.conv", config.dilations[-1])
        self._look = conv("asp.tdnn.conv")
        self._weigh = conv("asp.conv")
        self._last = conv("fc")

    @torch.inference_mode()
    def embed(self, sound: Tensor) -> Tensor:
        """Mono float32 [N] at 24 kHz, `SHORTEST_S` or longer -> float32 [width]."""
        x = log_mel(sound.to(self.device, torch.float32), self._filters)[None]
        x = functional.relu(self._first(x))
        heard = []
        for block in self._blocks:
            x = block(x)
            heard.append(x)
        x = functional.relu(self._mix(torch.cat(heard, 1)))
        even = torch.full_like(x[:, :1], 1.0 / x.shape[2])
        around = [part.expand_as(x) for part in _moments(x, even)]
        looked = torch.tanh(functional.relu(self._look(torch.cat((x, *around), 1))))
        weights = self._weigh(looked).softmax(2)
        return self._last(torch.cat(_moments(x, weights), 1))[0, :, 0]


def _moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over time, [1, C, 1] each, by weights that sum to 1."""
    mean = (weights * x).sum(2, keepdim=True)
    spread = (weights * (x - mean).square()).sum(2, keepdim=True)
    return mean, spread.clamp(min=1e-12).sqrt()
