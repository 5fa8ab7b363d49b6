"""Prompts: what a talker hears before and while it speaks, in every mode that the checkpoints know.

A sequence is: an instruction, the role, control ids with the speaker among them, then text over codes. In
the reference's words the text either streams (a token a frame; `ahead` false) or is heard whole before
the first frame (`ahead`, its `non_streaming_mode`). Sums of rows are over the same pairs as there.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from streamer.engines.qwen3.config import Kind
from streamer.engines.qwen3.model import Model
from streamer.engines.qwen3.newest import Newest
from streamer.engines.qwen3.tokenizer import Tokenizer
from streamer.errors import (
    CheckpointInvalid,
    InvalidParameter,
    LanguageNotSupported,
    UnknownVoice,
    UnsupportedParameter,
)

_PREFIXES = 256
"""Prefixes kept; ten rows each, and those of an instruction."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a sequence starts from.

    The first step's input is `feedback` + the first row of text, that of frame i + 1 the embeddings of
    frame i + the next row; the pad row where there is none and `streams` is false.
    """

    prefix: Tensor
    """[P, H], what goes into the KV cache."""
    key: Hashable | None
    """The same for the same prefix; None: not worth keeping."""
    feedback: Tensor
    """[H]."""
    text: Tensor
    """[N, H], rows of text known now, the end row included where text has ended."""
    streams: bool
    """More text may come; it ends with the end row."""
    reference: Tensor | None
    """int64 [16, frames] of the sound that goes before, for the codec's state."""


class Prompts:
    """Builds prompts of one model. `ids` everywhere: text as `Tokenizer.body` gives it.

    `more`: further text will be fed, row by row. `ahead`: all of the text goes into the prefix. Not both.
    Languages are the checkpoint's names ("english") or "auto". All are used by one thread.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer) -> None:
        """Raises `CheckpointInvalid` when the tokenizer says more than the model has rows for."""
        if tokenizer.size > model.config.talker.text_vocab:
            raise CheckpointInvalid(
                f"vocab.json: ids up to {tokenizer.size - 1} for a text vocabulary of "
                f"{model.config.talker.text_vocab}",
                file="vocab.json",
            )
        self._model = model
        self._tokenizer = tokenizer
        self._prefixes: Newest[Tensor] = Newest(_PREFIXES)

    def preset(
        self,
        ids: Sequence[int],
        voice: str,
        language: str = "auto",
        instructions: str = "",
        *,
        more: bool = False,
        ahead: bool = False,
    ) -> Prompt:
        """A voice of CustomVoice, by name. Raises `UnknownVoice`, `LanguageNotSupported`, and
        `UnsupportedParameter` for instructions to a model that does not follow them."""
        self._is("custom_voice", "preset voices")
        config, voice = self._model.config, voice.lower()
        if voice not in config.speakers:
            raise UnknownVoice(
                f"no voice {voice!r} in this checkpoint",
                param="voice",
                candidates=sorted(config.speakers),
            )
        if instructions and not config.follows_instructions:
            raise UnsupportedParameter(
                f"the {config.size} model follows no instructions", param="instructions"
            )
        tongue = self._language(language, voice)
        speaker = self._model.talker.codec([config.speakers[voice]])
        key = ("preset", voice, tongue, instructions)
        return self._spoken(ids, tongue, speaker, instructions, key, more=more, ahead=ahead)

    def design(
        self,
        ids: Sequence[int],
        description: str,
        language: str = "auto",
        *,
        more: bool = False,
        ahead: bool = False,
    ) -> Prompt:
        """A voice as `description` says, for VoiceDesign. Raises `LanguageNotSupported`."""
        self._is("voice_design", "voice design")
        tongue = self._language(language)
        key = ("design", tongue, description)
        return self._spoken(ids, tongue, None, description, key, more=more, ahead=ahead)

    def x_vector(
        self,
        ids: Sequence[int],
        x_vector: npt.NDArray[np.float32],
        language: str = "auto",
        *,
        more: bool = False,
        ahead: bool = False,
    ) -> Prompt:
        """A clone of whom `x_vector` [H] (`speaker.py`) was heard from, for Base. Raises
        `LanguageNotSupported`, `InvalidParameter`."""
        self._is("base", "clones")
        tongue = self._language(language)
        speaker = self._x_vector(x_vector)
        key = ("x-vector", tongue, x_vector.astype(np.float32).tobytes())
        return self._spoken(ids, tongue, speaker, "", key, more=more, ahead=ahead)

    def in_context(
        self,
        ids: Sequence[int],
        x_vector: npt.NDArray[np.float32],
        codes: npt.NDArray[np.integer],
        transcript: Sequence[int],
        language: str = "auto",
        *,
        ahead: bool = False,
    ) -> Prompt:
        """A clone that goes on from a reference: its x-vector [H], codes [16, frames] and transcript's ids
        (`Tokenizer.body`), for Base. The text must be whole: the most of it is heard beneath the
        reference's codes. Raises as `x_vector`."""
        self._is("base", "clones")
        model = self._model
        if codes.ndim != 2 or codes.shape[0] != model.config.talker.groups:
            raise InvalidParameter("codes of a reference are [16, frames]", param="voice")
        tongue = self._language(language)
        frames = torch.from_numpy(codes.astype(np.int64)).to(model.device)
        opening = self._opening(tongue, self._x_vector(x_vector), "")
        text = torch.cat((model.text([*transcript, *ids]), model.eos_row[None]))
        heard = torch.cat((self._codec_bos(), model.predictor.embed(frames.T)))
        if ahead:
            over = torch.cat((text + self._codec_pad(), heard[:-1] + model.pad_row))
            rest = text[:0]
        else:
            under = len(heard) - 1
            padding = model.pad_row.expand(max(0, under - len(text)), -1)
            over = torch.cat((text[:under], padding)) + heard[:-1]
            rest = text[under:]
        return Prompt(torch.cat((opening, over)), None, heard[-1], rest, False, frames)

    def _spoken(
        self,
        ids: Sequence[int],
        language: int | None,
        speaker: Tensor | None,
        instructions: str,
        key: Hashable,
        *,
        more: bool,
        ahead: bool,
    ) -> Prompt:
        model = self._model
        prefix = self._prefixes.get(key)
        if prefix is None:
            prefix = self._opening(language, speaker, instructions)
            self._prefixes.put(key, prefix)
        rows = model.text(ids) if ids else model.pad_row[None][:0]
        bos = self._codec_bos()[0]
        if more:
            return Prompt(prefix, key, bos, rows, True, None)
        rows = torch.cat((rows, model.eos_row[None]))
        if not ahead:
            return Prompt(prefix, key, bos, rows, False, None)
        whole = torch.cat((prefix, rows + self._codec_pad()))
        return Prompt(whole, None, bos, rows[:0], False, None)

    def _opening(self, language: int | None, speaker: Tensor | None, instructions: str) -> Tensor:
        """Instruction, role, and all control ids but the last."""
        model, tokenizer, ids = self._model, self._tokenizer, self._model.config.ids
        text = (tokenizer.instruction(instructions) if instructions else []) + tokenizer.role
        if language is None:
            control = [ids.nothink, ids.think_bos, ids.think_eos]
        else:
            control = [ids.think, ids.think_bos, language, ids.think_eos]
        codec = model.talker.codec(control)
        if speaker is not None:
            codec = torch.cat((codec, speaker))
        codec = torch.cat((codec, self._codec_pad()))
        over = torch.cat((model.pad_row.expand(len(codec) - 1, -1), model.bos_row[None]))
        return torch.cat((model.text(text), over + codec))

    def _language(self, language: str, voice: str = "") -> int | None:
        """Its id; None for "auto". A voice of a dialect speaks that instead of Chinese."""
        config, name = self._model.config, language.lower()
        dialect = config.dialects.get(voice)
        if dialect and name in ("chinese", "auto"):
            name = dialect
        if name == "auto":
            return None
        if name not in config.languages:
            raise LanguageNotSupported(
                f"no language {name!r} in this checkpoint",
                param="language",
                candidates=sorted(config.languages),
            )
        return config.languages[name]

    def _x_vector(self, x_vector: npt.NDArray[np.float32]) -> Tensor:
        """As a row [1, H]."""
        width = self._model.config.talker.stack.hidden
        if x_vector.shape != (width,):
            raise InvalidParameter(
                f"this checkpoint's voices have {width} numbers, not {tuple(x_vector.shape)}",
                param="voice",
            )
        row = torch.from_numpy(x_vector.astype(np.float32))
        return row.to(self._model.device, self._model.dtype)[None]

    def _codec_bos(self) -> Tensor:
        return self._model.talker.codec([self._model.config.ids.codec_bos])

    def _codec_pad(self) -> Tensor:
        return self._model.talker.codec([self._model.config.ids.codec_pad])

    def _is(self, kind: Kind, what: str) -> None:
        if self._model.config.kind != kind:
            raise UnsupportedParameter(
                f"{what} need a {kind} checkpoint, not {self._model.config.kind}", param="voice"
            )
