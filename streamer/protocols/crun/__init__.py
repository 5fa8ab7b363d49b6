"""crun.ai's Qwen3-TTS tasks: `CreateTask`, `TaskInfo`, the callback and the balance; pure, both roles.

After docs.crun.ai ("qwen3 tts speech synthesis", "Get Task Info"). What those leave open is decided here:
the HTTP status mirrors `code`; sound is WAV at 24 kHz, as Qwen3-TTS's own service makes it; clone and
design, whose requests they do not show, have the shapes of `_Clone` and `_Design`.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.protocols.crun.answers import (
    CODES,
    Info,
    Result,
    code_of,
    encode_accepted,
    encode_balance,
    encode_callbacks,
    encode_error,
    encode_info,
    info_of,
)
from streamer.protocols.crun.client import BALANCE, CREATE, INFO, Client
from streamer.protocols.crun.tasks import (
    CLONE,
    DESIGN,
    MODELS,
    SPEECH,
    WAV,
    Task,
    decode_task,
    encode_task,
    job_of,
)

__all__ = [
    "BALANCE",
    "CLONE",
    "CODES",
    "CREATE",
    "DESIGN",
    "INFO",
    "LOSSY",
    "MODELS",
    "SPEECH",
    "WAV",
    "Client",
    "Info",
    "Result",
    "Task",
    "code_of",
    "decode_task",
    "encode_accepted",
    "encode_balance",
    "encode_callbacks",
    "encode_error",
    "encode_info",
    "encode_task",
    "info_of",
    "job_of",
]

LOSSY: Mapping[str, str] = {
    "JobRequest.start": "voice, language and instructions alone can be said",
    "JobRequest.results, ttl_s, metadata": "have no word here",
    "WebhookTarget.secret": "callbacks are not signed",
    "Job.status": "queued is told as running, cancelled as failed",
    "Job.progress, position, estimate_s, attempts, cost": "have no word here",
    "JobResult.words": "are not told",
    "StreamerError": "a code of ten, and a message that names the parameter",
}
"""What this dialect cannot say of our types, and what becomes of it."""
