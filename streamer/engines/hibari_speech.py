"""A segment spoken by the embedded voice, step by step: a short stretch of sound first, then longer ones.

Puts reading, network and synthesis together; knows neither threads nor contexts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streamer.audio.dsp import trim
from streamer.engines.hibari_model import Model
from streamer.engines.hibari_sound import FRAME_SIZE, HOP, SAMPLE_RATE, SHARED_FRAMES, Synthesizer
from streamer.engines.hibari_times import WordClock, levels, spoken_words
from streamer.engines.hibari_words import Phrase, Reader, Reading
from streamer.errors import EngineFailed
from streamer.text.alignment import estimate
from streamer.types import Options, PcmChunk, Samples, Segment

SPEED = (0.5, 1.25)
"""What the voice does by itself. Its network goes on to 2, but is understood less and less: of 180 words
at twice the speed Whisper (base) took 33 wrong as hibari has it, 69 at the exact length, and 14 of the
voice at 1 stretched by `audio.dsp` (10 unchanged)."""
PITCH = (0.5, 2.0)

GAIN = 1.965
"""Brings it to -20 LUFS; `tests/engines/test_hibari_speech.py` measures that."""

_FIRST_HOPS = 24
"""Least length of the first stretch, 0.3 s: many times what the next takes to make."""
_NEXT_HOPS = 160
"""Least length of the others, 2 s: each costs the decoding of 24 hops around it."""
_LEAST_REST = 40
"""What would be left shorter than this is made with the stretch before."""
_KEEP_MS = 12.0
"""Kept before the first sample over -50 dBFS and after the last."""
_BREATH = SAMPLE_RATE * 12 // 100
"""Silence where a text too long for one utterance was cut."""


@dataclass(frozen=True, slots=True)
class EmbeddedVoice:
    """All that speaking needs, shared by all threads."""

    model: Model
    reader: Reader


def speak(voice: EmbeddedVoice, segment: Segment) -> Iterator[PcmChunk]:
    """The chunks of the segment, the last one marked, each computed when it is asked for.

    The same for the same text, options and index, whoever else is speaking. Raises `EngineFailed`, also
    where text with letters would give no sound.
    """
    try:
        yield from _speak(voice, segment)
    except EngineFailed:
        raise
    except Exception as error:
        raise EngineFailed(f"the embedded voice failed: {type(error).__name__}") from error


def _speak(voice: EmbeddedVoice, segment: Segment) -> Iterator[PcmChunk]:
    reading = voice.reader.read(segment.text)
    if not reading.phrases:
        if any(character.isalnum() for character in segment.text):
            raise EngineFailed("the embedded voice has no sounds for this text")
        yield PcmChunk(np.zeros(0, np.float32), segment.index, last=True)
        return
    rng = np.random.default_rng((segment.options.seed % (1 << 64), segment.index))
    # An utterance is planned when it is reached, so that a long text does not delay its first sound.
    utterances = (
        Utterance(voice.model, phrase, segment.options, rng) for phrase in reading.phrases
    )
    if voice.model.timed:
        yield from _timed(utterances, reading, segment.index)
    else:
        yield _untimed(utterances, segment)


class Utterance:
    """A phrase on its way to sound."""

    def __init__(
        self, model: Model, phrase: Phrase, options: Options, rng: np.random.Generator
    ) -> None:
        self._model = model
        self._plan = model.plan(phrase.ids, float(np.clip(options.speed, *SPEED)))
        pitch = float(np.clip(options.pitch, *PITCH))
        self._synthesizer = Synthesizer(self._plan.f0, pitch, GAIN, rng)
        self._shared = np.zeros((0, FRAME_SIZE), np.float32)
        edges = self._plan.edges
        self.words = [] if edges is None else spoken_words(phrase.owners, edges)

    @property
    def end(self) -> int:
        """The hop at which the sound has fallen, as far as that is known before."""
        return self._plan.end

    def stretches(self) -> list[tuple[int, int]]:
        """The hops to be made, cut at starts of words, so that a word's end is known with its start."""
        start, stop = self._plan.audible
        cuts = [start]
        least = _FIRST_HOPS
        for word in self.words:
            if word.start >= cuts[-1] + least and word.start + _LEAST_REST <= stop:
                cuts.append(word.start)
                least = _NEXT_HOPS
        return list(zip(cuts, [*cuts[1:], stop], strict=True))

    def render(self, first: int, last: int) -> Samples:
        """The samples of these hops. To be asked for in order, without gaps."""
        begin, end = Synthesizer.frames(first, last)
        # Frames that both stretches are made of are decoded once: again, with other hops around them,
        # they would come out a little different, and that would be a step in the sound.
        decoded = self._model.decode(self._plan, begin + len(self._shared), end)
        spectrum = np.concatenate([self._shared, decoded])
        self._shared = spectrum[-SHARED_FRAMES:]
        return self._synthesizer.render(spectrum, first, last)


def _timed(utterances: Iterator[Utterance], reading: Reading, segment: int) -> Iterator[PcmChunk]:
    length = 0
    clock = WordClock(reading.words)
    for number, utterance in enumerate(utterances, 1):
        stretches = utterance.stretches()
        zero = 0
        for first, last in stretches:
            sound = utterance.render(first, last)
            loud = levels(sound)
            start, end = _audible(sound)
            if (first, last) == stretches[0]:
                zero = length - first * HOP - start
            else:
                start = 0
            finished = (first, last) == stretches[-1]
            # Up to where the network means it to end: a last "t" may be under what counts as audible
            # at one speed and not at another.
            end = max(end, (utterance.end - first) * HOP)
            sound = sound[start : end if finished else None]
            length += len(sound)
            spoken = (word for word in utterance.words if first <= word.start < last)
            words = clock.place(spoken, first, loud, zero, length)
            done = finished and number == len(reading.phrases)
            if finished and not done:
                sound = np.concatenate([sound, np.zeros(_BREATH, np.float32)])
                length += _BREATH
            if done:
                words += clock.rest(length)
            yield PcmChunk(sound, segment, words, last=done)


def _untimed(utterances: Iterator[Utterance], segment: Segment) -> PcmChunk:
    """All at once, with guessed word times."""
    sounds: list[Samples] = []
    for utterance in utterances:
        sound = np.concatenate([utterance.render(*hops) for hops in utterance.stretches()])
        start, end = _audible(sound)
        sounds += [sound[start:end], np.zeros(_BREATH, np.float32)]
    sound = np.concatenate(sounds[:-1])
    return PcmChunk(sound, segment.index, estimate(segment.text, len(sound)), last=True)


def _audible(sound: Samples) -> tuple[int, int]:
    """What to keep of it. Raises `EngineFailed` where there is nothing."""
    start, end = trim(sound, SAMPLE_RATE, keep_ms=_KEEP_MS)
    if start >= end:
        raise EngineFailed("the embedded voice gave silence")
    return start, end
