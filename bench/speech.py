"""Is the speech right? Word times against Whisper's, word errors, quality, joins and loudness, of 20
varied sentences spoken by the real server, their text sent word by word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench._common import arguments, machine, median, report
from bench.hearing import Samples, loudness, samples_of, steps_at_joins
from bench.judges import Judge, distillmos, whisper
from bench.texts import NUMBERS, PARAGRAPH, VARIED
from bench.transcripts import bare_words, plain_words, same_words, word_errors
from bench.wire import Record, connected
from tests.server_process import running_server

START_OFF_MS = 120.0
WORD_ERRORS = 0.02
SCORE_LOSS = 0.1
LUFS, LUFS_OFF = -20.0, 1.0
FORMAT = {"codec": "pcm_s16le"}
"""At the voice's own rate: the speech is judged, no codec."""
AT_ONCE = 10
"""Contexts of one connection: live streams take as long as they sound."""
JOIN_MS = 6
"""On each side of a join; segments fade in and out over less."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Utterance:
    """A text, its sound (mono) and all that the server said about it."""

    text: str
    samples: Samples
    record: Record

    @property
    def rate(self) -> int:
        return self.record.rate

    @property
    def duration_ms(self) -> float:
        return len(self.samples) * 1000 / self.rate


async def _speak(url: str, texts: Sequence[str], cut: str) -> list[Utterance]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with connected(url) as wire:

        async def one(text: str) -> Utterance:
            async with gate:
                pieces = [word + " " for word in text.split()[:-1]] + text.split()[-1:]
                record = await wire.speak(pieces, audio=FORMAT, cut=cut, seed=SEED)
                await record.until("end")
            if record.ending["type"] != "done":
                raise RuntimeError(f"{text!r} ended by {record.ending}")
            return Utterance(text, samples_of(record), record)

        return await asyncio.gather(*(one(text) for text in texts))


def speak(url: str, texts: Sequence[str], cut: str = "auto") -> list[Utterance]:
    """The texts as the server speaks them, sent word by word."""
    return asyncio.run(_speak(url, texts, cut))


def faults_of_words(utterance: Utterance) -> list[str]:
    """What is wrong with the words the server told: quotes, order, overlaps, ends. Empty is right."""
    words, faults = utterance.record.words, []
    if [word["text"] for word in words] != [w.strip(".,;:!?") for w in utterance.text.split()]:
        faults.append(f"not the words of the text: {[word['text'] for word in words]}")
    before = 0.0
    for word in words:
        at = word["offset"]
        if utterance.text[at : at + len(word["text"])] != word["text"]:
            faults.append(f"{word} does not quote the text")
        if not before <= word["start_ms"] < word["end_ms"]:
            faults.append(f"{word} begins before {before} ms, or never ends")
        before = word["end_ms"]
    if before > utterance.duration_ms + 1:
        faults.append(f"the last word ends at {before} ms, the sound at {utterance.duration_ms}")
    if utterance.duration_ms - before > 500:
        faults.append(
            f"the sound goes on for {utterance.duration_ms - before:.0f} ms after the words"
        )
    if len(utterance.samples) != utterance.record.ending["samples"]:
        faults.append(f"{len(utterance.samples)} samples came: {utterance.record.ending}")
    return faults


@dataclass(frozen=True, slots=True)
class Heard:
    """What Whisper made of some utterances."""

    start_off_ms: list[float]
    """How far its word starts are from ours; of words it understood."""
    words: int
    errors: int
    raw_errors: int
    transcripts: list[str]

    @property
    def median_off_ms(self) -> float:
        return median([abs(off) for off in self.start_off_ms])

    @property
    def error_rate(self) -> float:
        return self.errors / self.words

    @property
    def matched(self) -> float:
        """The part of the words whose times could be compared."""
        return len(self.start_off_ms) / self.words


def listen(utterances: Sequence[Utterance], ear: Judge) -> Heard:
    """Let Whisper hear each of them."""
    off, words, errors, raw, transcripts = [], 0, 0, 0, []
    for utterance in utterances:
        heard = ear.judge(utterance.samples, utterance.rate)
        text = "".join(word for word, _, _ in heard).strip()
        ours = utterance.record.words
        pairs = same_words([word["text"] for word in ours], [word for word, _, _ in heard])
        off += [heard[b][1] * 1000 - ours[a]["start_ms"] for a, b in pairs]
        words += len(plain_words(utterance.text))
        errors += word_errors(plain_words(utterance.text), plain_words(text))
        raw += word_errors(bare_words(utterance.text), bare_words(text))
        transcripts.append(text)
    return Heard(off, words, errors, raw, transcripts)


def clicks(utterances: Sequence[Utterance]) -> list[str]:
    """Joins where the sound steps further than it does inside the segments. Empty is right."""
    found = []
    for utterance in utterances:
        rate = utterance.rate
        joins = [round(s["start_ms"] * rate / 1000) for s in utterance.record.segments[1:]]
        at, inside = steps_at_joins(utterance.samples, joins, JOIN_MS * rate // 1000)
        if at > inside:
            found.append(f"{utterance.text!r}: step {at:.4f} at a join, {inside:.4f} inside")
    return found


def levels(utterances: Sequence[Utterance]) -> tuple[float, float, float]:
    """LUFS of all together, of the softest and of the loudest."""
    each = [loudness([u.samples], u.rate) for u in utterances]
    return loudness([u.samples for u in utterances], utterances[0].rate), min(each), max(each)


def mean_score(utterances: Sequence[Utterance], judge: Judge) -> float:
    scores = [float(judge.judge(u.samples, u.rate)) for u in utterances]
    return sum(scores) / len(scores)


def run() -> dict[str, Any]:
    with running_server("hibari") as server:
        texts = [*VARIED, PARAGRAPH]
        cut, uncut = (speak(server.websocket_url, texts, cut) for cut in ("auto", "none"))
        numbers = speak(server.websocket_url, NUMBERS)
    varied = cut[: len(VARIED)]
    with whisper() as ear:
        heard, spelled = listen(varied, ear), listen(numbers, ear)
    with distillmos() as judge:
        scores = mean_score(varied, judge), mean_score(uncut[: len(VARIED)], judge)
    together, softest, loudest = levels(varied)
    faults = [fault for utterance in cut for fault in faults_of_words(utterance)]
    clicked = clicks(cut)
    checks = {
        "word_starts": heard.median_off_ms <= START_OFF_MS,
        "word_faults": not faults,
        "word_errors": heard.error_rate <= WORD_ERRORS,
        "score": scores[0] >= scores[1] - SCORE_LOSS,
        "joins": not clicked,
        "loudness": abs(together - LUFS) <= LUFS_OFF,
    }
    return {
        "spoken_by": "the server, over /v1/stream, text sent word by word",
        "sentences": len(varied),
        "segments": sum(len(utterance.record.segments) for utterance in cut),
        "word_start_median_off_ms": round(heard.median_off_ms, 1),
        "word_start_bias_ms": round(median(heard.start_off_ms), 1),
        "words_compared": f"{len(heard.start_off_ms)} of {heard.words}",
        "word_faults": faults,
        "word_error_rate": round(heard.error_rate, 4),
        "word_error_rate_raw": round(heard.raw_errors / heard.words, 4),
        "number_sentences": {"errors": spelled.errors, "heard": spelled.transcripts},
        "distillmos_cut": round(scores[0], 3),
        "distillmos_uncut": round(scores[1], 3),
        "clicks": clicked,
        "lufs": round(together, 2),
        "lufs_softest": round(softest, 2),
        "lufs_loudest": round(loudest, 2),
        "checks": checks,
        "machine": machine("hibari-tts", "onnxruntime"),
        "met": all(checks.values()),
    }


if __name__ == "__main__":
    chosen = arguments(__doc__)
    report(run(), as_json=chosen.json)
