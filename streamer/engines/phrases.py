"""Phrases that have been spoken: sound and word times by what they were made of, in memory, bounded.

Knows no engines. Another tier (`streamer.engines.phrase_files`) may stand behind it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streamer.types import PcmChunk, Samples, Segment, Word

_OVERHEAD = 400
"""Bytes of a phrase beside its sound, and of a word: near enough."""
_OVERHEAD_WORD = 250
_LARGEST = 8
"""A phrase that takes more than this part of the room is not kept: it would drive out all others."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One segment as it was spoken. `sound` is float32, or int16 where that is exact; `cuts` are the
    chunks it came in: how many samples, and the words that came with them."""

    sound: npt.NDArray[Any]
    cuts: tuple[tuple[int, tuple[Word, ...]], ...]

    @classmethod
    def of(cls, chunks: Sequence[PcmChunk]) -> Phrase:
        # A copy also of a single one: it may be a view of a large buffer.
        sound = _exact(np.concatenate([chunk.samples for chunk in chunks]))
        sound.flags.writeable = False
        return cls(sound, tuple((len(chunk.samples), chunk.words) for chunk in chunks))

    @property
    def size(self) -> int:
        """Bytes it takes."""
        words = sum(len(words) for _, words in self.cuts)
        return self.sound.nbytes + _OVERHEAD + _OVERHEAD_WORD * words

    def chunks(self, segment: int) -> Iterator[PcmChunk]:
        """The chunks it came in, sample for sample, and its length where words must be guessed by it."""
        at = 0
        worded = any(words for _, words in self.cuts)
        total = None if worded else len(self.sound)
        for number, (length, words) in enumerate(self.cuts, 1):
            samples = self.sound[at : at + length]
            if samples.dtype == np.int16:
                samples = _float(samples)
            last = number == len(self.cuts)
            yield PcmChunk(samples, segment, words, last=last, total=total)
            at += length


def _exact(samples: Samples) -> npt.NDArray[Any]:
    """As int16, half the size, if that loses nothing: so with sound that came as int16."""
    if np.abs(samples).max(initial=0) < 1:
        whole = (samples * 32768).astype(np.int16)
        if np.array_equal(_float(whole), samples):
            return whole
    return samples


def _float(samples: npt.NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / np.float32(32768)


def key_of(segment: Segment, engine: str, version: str, rate: int, *, seeded: bool) -> str:
    """What the sound of a segment depends on, as a name of 64 hexadecimal digits. `seeded`: on the seed
    too."""
    options = segment.options
    made_of = hashlib.sha256()
    # A voice may be made anew under its old id.
    for name, array in sorted((options.voice.data or {}).items()):
        made_of.update(msgspec.msgpack.encode((name, array.dtype.str, array.shape)))
        made_of.update(np.ascontiguousarray(array).tobytes())
    what = (
        *(engine, version, rate, options.voice.id, made_of.digest()),
        *(options.language, options.instructions),
        *(options.speed, options.pitch, options.volume),
        options.seed if seeded else None,
        segment.text,
        *filter(None, [options.model]),
    )
    return hashlib.sha256(msgspec.msgpack.encode(what)).hexdigest()


class Tier(Protocol):
    """A slower and larger place for phrases. Nothing here raises."""

    async def get(self, key: str) -> Phrase | None: ...

    def put(self, key: str, phrase: Phrase) -> None:
        """Returns at once."""

    def close(self) -> None: ...


class Phrases:
    """The most recently used phrases, of `max_bytes` in all. Used from one loop."""

    def __init__(self, max_bytes: int, behind: Tier | None = None) -> None:
        self._max_bytes = max_bytes
        self._behind = behind
        self._kept: OrderedDict[str, Phrase] = OrderedDict()
        self.size = 0
        """Bytes held in memory."""
        self.hits = 0
        self.misses = 0

    async def get(self, key: str) -> Phrase | None:
        phrase = self._kept.get(key)
        if phrase is not None:
            self._kept.move_to_end(key)
        elif self._behind is not None:
            phrase = await self._behind.get(key)
            if phrase is not None:
                self._keep(key, phrase)
        return phrase

    def put(self, key: str, phrase: Phrase, *, lasting: bool = True) -> None:
        """`lasting`: also in the tier behind."""
        self._keep(key, phrase)
        if lasting and self._behind is not None:
            self._behind.put(key, phrase)

    def close(self) -> None:
        """Forget all, but for what is on a disk."""
        self._kept.clear()
        self.size = 0
        if self._behind is not None:
            self._behind.close()

    def _keep(self, key: str, phrase: Phrase) -> None:
        known = self._kept.pop(key, None)
        if known is not None:
            self.size -= known.size
        if phrase.size > self._max_bytes // _LARGEST:
            return
        self._kept[key] = phrase
        self.size += phrase.size
        while self.size > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.size -= oldest.size
