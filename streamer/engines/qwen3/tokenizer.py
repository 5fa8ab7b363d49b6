"""Text to ids, whole and as it comes. Qwen2's byte-level BPE, read with `tokenizers` alone.

What a client writes is text and nothing else: control tokens ("<|im_end|>") are put around it by their
ids, never found in it. That apart, the ids are the reference's to the last one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Encoder

from streamer.errors import CheckpointInvalid

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's words (transformers, `Qwen2Converter`)."""
_SPLIT_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Words by case as well (transformers 4.57.3, `_patch_mistral_regex`): see `words_by_case`."""
_LARGE = 100_000


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """`whole`: a tokenizer.json, which counts before `vocab` and `merges`. `by_case`: `words_by_case`."""

    vocab: Path
    merges: Path
    config: Path
    whole: Path | None = None
    by_case: bool = False


def words_by_case(writer: str, local: bool) -> bool:
    """Whether the reference cuts words by case, too: "OpenAI" in two.

    It asks transformers (pinned to 4.57.3) to mend a fault of Mistral's tokenizers, which takes any large
    vocabulary for one of them that is read from a directory with a config.json written by a version
    (`writer`, "" if it does not say) after 4.57.2 and before 5. A checkpoint that is named, not given as
    a directory, is spared.
    """
    if not local or not writer:
        return local
    version = tuple(int(part) for part in re.findall(r"\d+", writer)[:3])
    return (4, 57, 2) < version < (5,)


class Tokenizer:
    """`role`: the ids that precede what the model says. Raises `CheckpointInvalid`."""

    def __init__(self, files: TokenizerFiles) -> None:
        self._encoder, added = _load(files)
        for name in ("<|im_start|>", "<|im_end|>"):
            if name not in added:
                raise CheckpointInvalid(
                    f"{files.config.name}: no token {name}", file=files.config.name
                )
        self._start, self._end = added["<|im_start|>"], added["<|im_end|>"]
        self.size = 1 + max(self._start, self._end, *self._encoder.get_vocab().values())
        """Above every id of text."""
        self._newline = self.encode("\n")
        self.role = [self._start, *self.encode("assistant\n")]
        if len(self.role) != 3 or len(self._newline) != 1:
            # The reference takes the first three ids of everything for the role.
            name = (files.whole or files.merges).name
            raise CheckpointInvalid(f"{name}: 'assistant' is not one token", file=name)

    def encode(self, text: str) -> list[int]:
        """Ids of bare text."""
        return list(self._encoder.encode(_sound(text), add_special_tokens=False).ids)

    def body(self, text: str) -> list[int]:
        """Ids of what is to be spoken, or was in a reference: as they are after the role's newline, which
        newlines at the text's begin join."""
        return self.encode("\n" + text)[1:]

    def instruction(self, text: str) -> list[int]:
        """Ids of an instruction or a description, as a user's turn."""
        said = self.encode(f"user\n{text}")
        return [self._start, *said, self._end, *self._newline]

    def pieces(self) -> Pieces:
        """For one text that is still growing."""
        return Pieces(self)


class Pieces:
    """Ids of a text that comes in pieces: all that `push` and `flush` return is `Tokenizer.body` of the
    whole text, however it was cut.

    What may still change is held back: from the last place on at which words are cut whatever follows,
    which is before a space, beside a digit, and where a run of letters has ended.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._held = "\n"
        self._drop = 1

    def push(self, text: str) -> list[int]:
        """Ids that no further text can change."""
        held = self._held + text
        # Only places in or at the edge of what is new: the others were looked at before.
        for place in range(len(held) - 1, max(0, len(self._held) - 1), -1):
            if _certain(held[place - 1], held[place]):
                self._held = held[place:]
                return self._ids(held[:place])
        self._held = held
        return []

    def flush(self) -> list[int]:
        """The rest: there is no further text. The next push begins another."""
        held, self._held = self._held, "\n"
        ids = self._ids(held)
        self._drop = 1
        return ids

    def _ids(self, text: str) -> list[int]:
        ids = self._tokenizer.encode(text)
        drop, self._drop = self._drop, 0
        return ids[drop:]


def _certain(before: str, after: str) -> bool:
    """Whether both patterns cut between these two characters whatever surrounds them, and normalisation
    (NFC) joins nothing across."""
    a, b = unicodedata.category(before), unicodedata.category(after)
    if b[0] == "M" or "Cn" in (a, b):
        return False  # a mark may join; what Python does not know, `tokenizers` may
    if a[0] == "N" or b[0] == "N":
        return True
    if a[0] == "L":
        return b[0] != "L"
    # Newlines go with the punctuation before them, spaces never.
    return (b == "Zs" or after == "\t") and a[0] not in "ZC"


def _sound(text: str) -> str:
    """Without halves of surrogate pairs, which have no bytes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _load(files: TokenizerFiles) -> tuple[Encoder, dict[str, int]]:
    """The encoder without its control tokens, and those."""
    file = files.whole or files.config
    try:
        raw = json.loads(file.read_text("utf-8"))
        if files.whole:
            added = {str(token["content"]): int(token["id"]) for token in raw["added_tokens"]}
            raw["added_tokens"], raw["post_processor"] = [], None
            encoder = Encoder.from_str(json.dumps(raw))
        else:
            added = _added(raw)
            file = files.merges
            encoder = Encoder(models.BPE.from_file(str(files.vocab), str(files.merges)))
            encoder.normalizer = normalizers.NFC()
            encoder.pre_tokenizer = _words(_SPLIT)
    except Exception as error:  # `tokenizers` has no class of its own
        raise CheckpointInvalid(f"{file.name}: {error}", file=file.name) from error
    if files.by_case and encoder.get_vocab_size(with_added_tokens=False) > _LARGE:
        encoder.pre_tokenizer = _words(_SPLIT_CASED)
    return encoder, added


def _added(raw: dict[str, Any]) -> dict[str, int]:
    return {str(token["content"]): int(key) for key, token in raw["added_tokens_decoder"].items()}


def _words(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
