"""Things that have an address of their own and outlive a request: jobs, files, webhooks.

Plain frozen data. Points in time are Unix seconds; lengths of time are in seconds (`…_s`), of sound in
milliseconds (`…_ms`). `key` is the id of the key that owns it, "" on a server without keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from streamer.errors import StreamerError
from streamer.types import Caption, Start, Word

JobStatus = Literal["queued", "running", "completed", "failed", "cancelled"]
PENDING: tuple[JobStatus, ...] = ("queued", "running")
FilePurpose = Literal["result", "upload", "reference"]
"""What a file is for: a job's sound, anything of a client's, sound to clone a voice from."""
DeliveryState = Literal["pending", "delivered", "failed", "disabled"]
VoiceKind = Literal["clone", "design"]
"""How a voice was made: after a recording, or after a description."""
NATIVE = "native"
"""The dialect that sees all jobs of its key."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where the end of one job is told. Without a secret the key's own signs; `policy` names the row of
    `webhooks.policies.POLICIES` that says when to try again and what counts as success."""

    url: str
    secret: str | None = None
    policy: str = "standard"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a client asks a job for. `start.context` means nothing here; `start.audio.container` is a
    file's. `ttl_s` is how long results are kept (None: the server's default).

    `dialect` is the API it came by, and the only one that sees it besides the native one; `alias` its
    own id of the job, one of a kind among a key's jobs of that dialect; `echo` what it wants to say
    again when it tells of the job, in a form of its own. `urgent`: somebody waits for the answer, so it
    is begun at once and as if live. A result that would be longer than `longest_s` is an error, never
    cut (None: however long it is). `warnings` name what of the request is not done, as
    `Started.warnings` does.
    """

    start: Start
    text: str
    results: int = 1
    webhook: WebhookTarget | None = None
    ttl_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    dialect: str = NATIVE
    alias: str = ""
    echo: str = ""
    urgent: bool = False
    warnings: tuple[str, ...] = ()
    longest_s: float | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its owner sees it. `duration_ms` where it is known to be sound."""

    id: str
    key: str
    purpose: FilePurpose
    content_type: str
    size: int
    created: float
    expires: float
    name: str = ""
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CueSummary:
    """What became of the cues of one rendering. `late` ones are among the `spoken`; `worst_late_ms` is the
    latest one's lateness."""

    spoken: int
    late: int
    skipped: int
    worst_late_ms: float


@dataclass(frozen=True, slots=True)
class JobResult:
    """One rendering of a job's text. `words` in samples of `sample_rate`, with offsets into the text;
    what is told of a job is without them, and without its `captions`. `cues`: of a job of captions.
    `captions`: None where none are kept."""

    index: int
    seed: int
    file: StoredFile
    sample_rate: int
    audio_ms: float
    words: tuple[Word, ...] = ()
    cues: CueSummary | None = None
    captions: tuple[Caption, ...] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is now.

    `progress` is 0 to 1, of the characters to be spoken; `position` counts the jobs ahead in the queue
    (None once it runs); `estimate_s` is how long until it is done, None where nothing is known yet or
    any more. `cost` and `audio_ms` are of all results; `reserved` is what it costs at most, while it is
    unfinished. `expires`: when its files go. `text_characters`: of its text, of captions those that are
    spoken; the text with the webhook's secret is in `request` only while it is asked for or spoken.
    """

    id: str
    key: str
    status: JobStatus
    request: JobRequest
    created: float
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    attempts: int = 0
    progress: float = 0.0
    position: int | None = None
    estimate_s: float | None = None
    results: tuple[JobResult, ...] = ()
    voice: str = ""
    engine: str = ""
    cost: float | None = None
    reserved: float | None = None
    error: StreamerError | None = None
    base_url: str = ""
    text_characters: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the ends of all jobs of a key are told. `disabled` says why it no longer is, "" that it is."""

    id: str
    key: str
    url: str
    secret: str
    created: float
    policy: str = "standard"
    disabled: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook on its way to one address. `id` is the `webhook-id`, the same over all attempts."""

    id: str
    key: str
    job: str
    event: str
    url: str
    state: DeliveryState
    attempts: int
    created: float
    next_at: float | None = None
    last_status: int | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class OwnVoice:
    """A voice that a key has made, without what it is made of. `languages` as in `types.Voice`;
    `description` and `preview_text` of a designed one. `passing`: made for what a request brought with
    it, found by its id alone, and gone when nobody has asked for it for a while."""

    id: str
    key: str
    engine: str
    kind: VoiceKind
    languages: tuple[str, ...]
    created: float
    name: str = ""
    description: str = ""
    preview_text: str = ""
    passing: bool = False
