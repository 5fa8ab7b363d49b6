"""What clients ask for: an array of tasks, both roles."""

from streamer.protocols.runware.tasks.decoding import MOST_TASKS, decode_inference, decode_tasks
from streamer.protocols.runware.tasks.encoding import encode_inference, encode_tasks
from streamer.protocols.runware.tasks.kinds import (
    Authenticate,
    Delete,
    GetResponse,
    GetTaskDetails,
    Inference,
    Ping,
    Refusal,
    Task,
    Upload,
)

__all__ = [
    "MOST_TASKS",
    "Authenticate",
    "Delete",
    "GetResponse",
    "GetTaskDetails",
    "Inference",
    "Ping",
    "Refusal",
    "Task",
    "Upload",
    "decode_inference",
    "decode_tasks",
    "encode_inference",
    "encode_tasks",
]
