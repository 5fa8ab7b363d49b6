"""Tasks and errors that hypothesis makes up, within what the dialect can say."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from hypothesis import strategies as st

from streamer.protocols.hosted import LANGUAGES
from streamer.protocols.runware.tables import (
    BASE,
    BIT_RATES,
    CHANNELS,
    CUSTOM_VOICE,
    LOSSLESS,
    SAMPLE_RATE,
    VOICE_DESIGN,
    AudioSettings,
)
from streamer.protocols.runware.tasks import (
    Authenticate,
    Delete,
    GetResponse,
    GetTaskDetails,
    Inference,
    Ping,
    Upload,
)

ids = st.randoms(use_true_random=False).map(
    lambda random: str(uuid.UUID(int=random.getrandbits(128), version=4))
)
said = st.text(min_size=1, max_size=40)


@st.composite
def audio_settings(draw: st.DrawFn, output_format: str) -> AudioSettings | None:
    if output_format in LOSSLESS:
        return None
    counts: list[Literal[1, 2] | None] = [None, 1, 2]
    channels = draw(st.sampled_from(counts))
    rates = BIT_RATES[output_format, channels or CHANNELS]
    rate = draw(st.sampled_from([None, *rates]))
    bitrate = draw(st.none() | st.integers(*rates[rate or SAMPLE_RATE]))
    return draw(st.none() | st.just(AudioSettings(bitrate, channels, rate)))


@st.composite
def inferences(draw: st.DrawFn) -> Inference:
    model = draw(st.sampled_from([BASE, CUSTOM_VOICE, VOICE_DESIGN]))
    output_format: Any = draw(st.sampled_from(["MP3", "WAV", "FLAC", "OGG"]))
    output_type: Any = draw(st.sampled_from(["URL", "base64Data", "dataURI"]))
    own: dict[str, Any] = {"voice": draw(said), "prompt": draw(st.just("") | said)}
    if model == VOICE_DESIGN:
        own = {"voice": draw(st.sampled_from(["", "auto", "design"])), "prompt": draw(said)}
    if model == BASE:
        alone = draw(st.booleans())
        transcript = draw(st.just("") | said) if alone else "T" + draw(said)
        own = {
            "voice": draw(st.sampled_from(["clone", "auto"])),
            "reference": "https://" + draw(said),
            "transcript": transcript,
            "x_vector_only": alone,
        }
    return Inference(
        id=draw(ids),
        model=model,
        text=draw(st.text(min_size=1, max_size=60).filter(str.strip)),
        language=draw(st.sampled_from(sorted(LANGUAGES.values()))),
        speed=draw(st.floats(0.25, 4)),
        max_new_tokens=draw(st.integers(1, 100_000)),
        output_type=output_type,
        output_format=output_format,
        settings=draw(audio_settings(output_format)),
        delivery=draw(st.sampled_from(["sync", "async"])),
        webhook=draw(st.sampled_from(["", "https://hook.example.org/a"])),
        upload=draw(st.sampled_from(["", "https://bucket.example.org/a"])),
        ttl_s=draw(st.none() | st.integers(60, 10**6)) if output_type == "URL" else None,
        include_cost=draw(st.booleans()),
        results=draw(st.integers(1, 4)),
        **own,
    )


tasks = st.one_of(
    inferences(),
    st.builds(Authenticate, said, st.just("") | said, st.just("") | ids),
    st.builds(Ping, st.just("") | ids),
    st.builds(GetResponse, ids),
    st.builds(GetTaskDetails, ids),
    st.builds(Upload, ids, said),
    st.builds(Delete, ids, said),
)
