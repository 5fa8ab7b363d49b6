"""What an `audioInference` asks of this server: a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from streamer.protocols.runware.tables import CUSTOM_VOICE, FRAMES_PER_S
from streamer.protocols.runware.tasks import Inference, encode_inference
from streamer.resources import JobRequest, WebhookTarget
from streamer.types import OptionsUpdate, Start

NAME = "runware"
"""Of the dialect, and of its policy of webhooks."""


def job_request(
    task: Inference,
    *,
    ogg: Literal["opus", "vorbis"] = "opus",
    voice: str = "",
    warnings: Sequence[str] = (),
) -> JobRequest:
    """The job. Its echo is the task. `voice` speaks where the task names none: it is made for it, or stands
    in; `ogg` is the codec of OGG."""
    named = task.model == CUSTOM_VOICE
    if named:
        voice = "" if task.voice == "auto" else task.voice
    options = OptionsUpdate(
        voice=voice or None,
        language=task.language,
        instructions=task.prompt or None if named else None,
        speed=task.speed,
    )
    audio = replace(task.audio, codec=ogg) if task.output_format == "OGG" else task.audio
    return JobRequest(
        Start("job", options, audio, timestamps="none"),
        task.text,
        task.results,
        WebhookTarget(task.webhook, policy=NAME) if task.webhook else None,
        task.ttl_s,
        dialect=NAME,
        alias=task.id.lower(),
        echo=encode_inference(task).decode(),
        urgent=task.delivery == "sync",
        warnings=tuple(warnings),
        longest_s=task.max_new_tokens / FRAMES_PER_S,
    )
