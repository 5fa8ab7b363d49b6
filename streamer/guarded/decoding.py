"""A file's first audio stream as mono sound, without a look at anything else."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

import av
import av.filter
import av.subtitles.stream  # Else the first container loads it, when no file can be opened any more.
import numpy as np
import numpy.typing as npt

from streamer.guarded import Verdict

FORMATS = "wav,mp3,flac,ogg,aac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2"
"""Containers that hold sound and never name another file (those of mov are off by default)."""
CODECS = (
    "aac,alac,amrnb,amrwb,flac,mp3,mp3float,opus,libopus,vorbis,adpcm_ima_wav,adpcm_ms,pcm_alaw,"
    "pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,"
    "pcm_f32be,pcm_f64le,pcm_f64be"
)
"""Decoders that may be opened, also while FFmpeg finds out what a file holds: sound, no pictures."""
OPTIONS = {
    "format_whitelist": FORMATS,
    "codec_whitelist": CODECS,
    "protocol_whitelist": "none",
    "threads": "1",
}
RATES = range(4_000, 384_001)
"""Samples a second that a file may have. A lower rate could make one frame a gigabyte of sound."""
SILENT_PACKETS = 2_000
"""Packets in a row without a sample after which a file counts as not sound."""
BROKEN_PACKETS = 50
"""Packets that can't be decoded: files cut out of a stream begin and end with some."""

Samples: TypeAlias = npt.NDArray[np.float32]


class Refused(Exception):
    """The file is not sound that may be decoded."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.name)
        self.verdict = verdict


def decode(file: io.BytesIO, rate: int, most: int) -> list[Samples]:
    """Mono sound at `rate`, in pieces, at most `most` samples in all.

    Raises `Refused`, or whatever the libraries raise of a broken file.
    """
    try:
        container = av.open(file, mode="r", options=OPTIONS, metadata_errors="ignore")
    except MemoryError:
        raise
    except Exception as error:
        raise Refused(Verdict.NOT_MEDIA) from error
    with container:
        if not container.streams.audio:
            raise Refused(Verdict.NO_SOUND)
        pieces, count = [], 0
        for piece in _mono(_frames(container, container.streams.audio[0]), rate):
            count += len(piece)
            if count > most:
                raise Refused(Verdict.TOO_LONG)
            pieces.append(piece)
    if not count:
        raise Refused(Verdict.NO_SOUND)
    return pieces


def _frames(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[av.AudioFrame]:
    """What the stream holds; a few packets may be broken."""
    if stream.codec_context.codec.name not in CODECS.split(","):
        raise Refused(Verdict.NOT_MEDIA)
    stream.codec_context.thread_count = 1
    for other in container.streams:
        if other is not stream:
            other.discard = av.stream.Discard.all
    silent = broken = 0
    for packet in container.demux(stream):
        silent += 1
        frames: Iterable[object] = ()
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            broken += 1
        if silent > SILENT_PACKETS or broken > BROKEN_PACKETS:
            raise Refused(Verdict.BROKEN)
        for frame in frames:
            if isinstance(frame, av.AudioFrame) and frame.samples:
                silent = 0
                yield frame


def _mono(frames: Iterable[av.AudioFrame], rate: int) -> Iterator[Samples]:
    """The frames as one channel at `rate`. A stream may change its form on the way."""
    graph: av.filter.Graph | None = None
    form = (0, "", "")
    for frame in frames:
        if frame.sample_rate not in RATES:
            raise Refused(Verdict.BROKEN)
        new = (frame.sample_rate, frame.format.name, frame.layout.name)
        if graph is None or new != form:
            if graph is not None:
                yield from _filtered(graph, None)
            graph, form = _graph(*new, rate), new
        frame.pts = None  # Times in a file are no reason to invent or drop sound.
        yield from _filtered(graph, frame)
    if graph is not None:
        yield from _filtered(graph, None)


def _graph(source_rate: int, form: str, layout: str, rate: int) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1  # The child can't start any.
    source = graph.add_abuffer(
        sample_rate=source_rate, format=form, layout=layout, time_base=Fraction(1, source_rate)
    )
    change = graph.add("aformat", sample_fmts="flt", channel_layouts="mono", sample_rates=str(rate))
    graph.link_nodes(source, change, graph.add("abuffersink")).configure()
    return graph


def _filtered(graph: av.filter.Graph, frame: av.AudioFrame | None) -> Iterator[Samples]:
    graph.push(frame)
    while True:
        try:
            made = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(made, av.AudioFrame)
        yield made.to_ndarray().reshape(-1).astype(np.float32, copy=False)
