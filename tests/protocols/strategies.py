"""Commands and Events that hypothesis makes up, within what the native dialect can say."""

from __future__ import annotations

from typing import Any, TypeVar

from hypothesis import strategies as st

from streamer import types
from streamer.errors import CODES, from_code
from streamer.protocols.base import SpeechRequest
from streamer.types import AudioFormat, OptionsUpdate, Packet, Start, Trace, Word

T = TypeVar("T")

contexts = st.text(min_size=1, max_size=64)
texts = st.text(max_size=200)
names = st.text(max_size=40)
rates = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000, 192000])
positions = st.integers(0, 48000 * 3600 * 24)
played = st.floats(0, 1e9)
milliseconds = st.floats(0, 1e9).map(lambda ms: round(ms, 3))
speech_rates = st.floats(1, 2).map(lambda rate: round(rate, 4))


def maybe(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


options = st.builds(
    OptionsUpdate,
    voice=maybe(names),
    model=maybe(names),
    language=maybe(st.sampled_from(["auto", "en", "en-GB", "zh-Hans-CN"])),
    instructions=maybe(texts),
    speed=maybe(st.floats(0.25, 4)),
    pitch=maybe(st.floats(0.5, 2)),
    volume=maybe(st.floats(0, 2)),
    seed=maybe(st.integers(0, 2**32 - 1)),
)
formats = st.builds(
    AudioFormat,
    codec=st.sampled_from(["opus", "mp3", "aac", "flac", "pcm_s16le", "elsewhere"]),
    container=st.sampled_from(["none", "ogg", "adts", "mp3", "flac", "wav"]),
    sample_rate=maybe(rates),
    channels=st.integers(1, 2),
    bit_rate=maybe(st.integers(1, 512_000)),
    frame_ms=maybe(st.sampled_from([2.5, 5.0, 10.0, 20.0, 60.0])),
)
caption_ms = st.floats(0, 1e13)
channels = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
cue_options = st.builds(
    types.CueOptions,
    origin_ms=maybe(caption_ms),
    delay_ms=st.floats(0, 60_000),
    max_rate=st.floats(1, 2),
    overrun=st.sampled_from(["late", "merge", "skip"]),
    max_late_ms=st.floats(0, 60_000),
    overlap=st.sampled_from(["queue", "mix"]),
    speakers=st.dictionaries(
        st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), max_size=3
    ),
    descriptions=st.sampled_from(["skip", "speak"]),
)
lexicons = st.dictionaries(st.text(min_size=1, max_size=20), texts, max_size=4)
utterances: dict[str, st.SearchStrategy[Any]] = {
    "options": options,
    "audio": formats,
    "timestamps": st.sampled_from(["none", "segment", "word", "char"]),
    "cut": st.sampled_from(["auto", "sentence", "clause", "none"]),
    "lexicon": lexicons,
    "strict": st.booleans(),
    "trace": st.booleans(),
    "input": st.sampled_from(["text", "captions"]),
    "cues": cue_options,
    "captions": st.booleans(),
}
commands = st.one_of(
    st.builds(
        Start,
        contexts,
        transport=st.sampled_from(["binary", "json", "none"]),
        lead_ms=maybe(st.integers(20, 60_000)),
        channel=maybe(channels),
        **utterances,
    ),
    st.builds(
        types.Text,
        contexts,
        texts,
        at=maybe(st.integers(0, 2**53)),
        mark=maybe(names),
        options=maybe(options.filter(lambda update: update != OptionsUpdate())),
    ),
    st.builds(
        types.Cue, contexts, texts, names, maybe(caption_ms), maybe(caption_ms), maybe(names)
    ),
    st.builds(
        types.Subscribe,
        contexts,
        channels,
        formats,
        st.sampled_from(["binary", "json"]),
        st.sampled_from(["none", "segment", "word", "char"]),
        st.booleans(),
        st.floats(0, 300_000),
    ),
    st.builds(types.Flush, contexts),
    st.builds(types.End, contexts),
    st.builds(types.Interrupt, maybe(contexts), maybe(played)),
    st.builds(types.Cancel, maybe(contexts)),
    st.builds(types.Pause, contexts, maybe(played)),
    st.builds(types.Continue, contexts),
    st.builds(types.Resume, names, names, st.dictionaries(contexts, st.integers(0, 2**32))),
    st.builds(types.Played, contexts, played),
    st.builds(
        types.Report,
        contexts,
        maybe(played),
        maybe(st.integers(0, 10**6)),
        maybe(st.floats(-1e6, 1e6)),
        maybe(played),
    ),
)
speech_requests = st.builds(
    SpeechRequest,
    st.builds(Start, st.just("speech"), **utterances),
    st.text(min_size=1, max_size=200),
    st.sampled_from(["audio", "lines"]),
)

words = st.lists(st.builds(Word, texts, positions, positions, st.integers(0, 10**6)), max_size=5)
packets = st.builds(
    Packet,
    st.binary(max_size=100),
    st.integers(-(10**6), 2**40),
    st.integers(0, 2**32 - 1),
)
details = st.dictionaries(
    st.sampled_from(["offset", "candidates", "retry_after_s", "limit", "expected"]),
    st.integers().filter(lambda n: abs(n) < 2**53) | names | st.lists(names, max_size=3),
    max_size=3,
)
errors = st.builds(
    lambda code, message, param, rest: from_code(code, message, param=param, **rest),
    st.sampled_from(sorted(CODES)),
    texts,
    maybe(names),
    details,
)
ready = st.builds(
    types.Ready,
    names,
    names,
    st.dictionaries(names, st.integers(0, 10**9) | st.floats(0, 1e9), max_size=5),
    names,
)
resumed = st.builds(
    types.Resumed,
    names,
    st.dictionaries(
        names, st.builds(types.Recovered, st.booleans(), st.integers(0, 10**6)), max_size=4
    ),
)


def started(context: str, rate: int) -> st.SearchStrategy[types.Started]:
    return st.builds(
        types.Started,
        st.just(context),
        formats.map(lambda f: AudioFormat(f.codec, f.container, rate, f.channels, f.bit_rate)),
        names,
        st.binary(max_size=60),
        st.integers(0, 10_000),
        names,
        names,
        st.integers(0, 2**32 - 1),
        st.lists(texts, max_size=3).map(tuple),
    )


def within(context: str) -> st.SearchStrategy[types.Event]:
    """What may be said of a context that has started, its end included."""
    name = st.just(context)
    trace = st.builds(Trace, milliseconds, milliseconds, milliseconds, milliseconds)
    return st.one_of(
        st.builds(
            types.SegmentStarted,
            name,
            st.integers(0, 1000),
            texts,
            st.integers(0, 10**6),
            positions,
            st.sampled_from(
                ["sentence", "clause", "length", "timer", "flush", "end", "options", "language"]
            ),
            st.booleans(),
            maybe(trace),
            maybe(names),
            speech_rates,
            names,
            positions,
        ),
        st.builds(types.Late, name, names, positions, speech_rates, maybe(names)),
        st.builds(
            types.Skipped,
            name,
            names,
            st.sampled_from(["late", "description", "repeat", "empty", "invalid", "spoken"]),
        ),
        st.builds(
            types.Caption,
            name,
            st.integers(0, 1000),
            texts,
            positions,
            positions,
            words.map(tuple),
            maybe(names),
        ),
        st.builds(types.Audio, name, packets, st.booleans(), st.booleans(), st.booleans()),
        st.builds(
            types.Words,
            name,
            words.map(tuple),
            st.sampled_from(["model", "aligned", "estimated"]),
            st.sampled_from(["word", "char"]),
        ),
        st.builds(types.Mark, name, names, positions),
        heard(types.Paused, context),
        st.builds(types.Continued, name, positions, st.integers(0, 10**6)),
        endings(context),
    )


def heard(event: type[Any], context: str) -> st.SearchStrategy[Any]:
    return st.builds(
        event,
        st.just(context),
        texts,
        words.map(tuple),
        texts,
        positions,
        st.sampled_from(["client", "server"]),
    )


def endings(context: str) -> st.SearchStrategy[types.Event]:
    name = st.just(context)
    return st.one_of(
        heard(types.Interrupted, context),
        st.builds(
            types.Done,
            name,
            st.sampled_from(["end", "cancelled", "idle", "drained"]),
            positions,
            milliseconds,
            st.integers(0, 10**6),
            maybe(milliseconds),
            names,
            maybe(st.floats(0, 1e6)),
        ),
        st.builds(types.Failed, errors, name),
    )
