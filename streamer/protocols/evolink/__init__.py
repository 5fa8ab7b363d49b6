"""The dialect of Evolink's `POST /v1/audios/generations` and `GET /v1/tasks/{id}`: pure functions, both
roles. docs/move-from/evolink.md says what becomes of each field, and of the gaps of Evolink's documents.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.protocols.evolink.client import Client
from streamer.protocols.evolink.errors import TASK, encode_error
from streamer.protocols.evolink.requests import (
    DESIGN_NAMES,
    SPEECH_NAMES,
    Design,
    Speech,
    decode_request,
    designed_name,
    is_designed,
)
from streamer.protocols.evolink.tasks import (
    DIALECT,
    design_job,
    encode_callbacks,
    encode_state,
    is_task_id,
    speech_job,
    task_id,
)

__all__ = [
    "DESIGN_NAMES",
    "DIALECT",
    "LOSSY",
    "SPEECH_NAMES",
    "TASK",
    "Client",
    "Design",
    "Speech",
    "decode_request",
    "design_job",
    "designed_name",
    "encode_callbacks",
    "encode_error",
    "encode_state",
    "is_designed",
    "is_task_id",
    "speech_job",
    "task_id",
]

LOSSY: Mapping[str, str] = {
    "Utterance.language": "one of ten, without its region; any other is Auto",
    "Utterance.instructions, speed, pitch, volume, seed, sample_rate, timestamps": "have no word here",
    "Job.status": "cancelled is failed, with the code request_cancelled",
    "Job.progress": "whole percents, under 100 until it is completed",
    "Job.estimate_s": "whole seconds; 10 where nothing is known",
    "Job.error": "one of the documented codes; the parameter is not said",
    "StreamerError": "the codes and types of errors._ROWS; a failed engine can always be tried again",
}
"""What this dialect cannot say of our types, and what becomes of it."""
