"""The table of settings: a field is a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from streamer.providers import Provider


def _row(
    default: Any, help: str, *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    meta = {"help": help, "minimum": minimum, "maximum": maximum}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting there is. A field is a row: name, type, default, help, bounds."""

    # Where it listens
    host: str = _row("127.0.0.1", "Address to listen on. Off loopback, keys are required.")
    port: int = _row(8090, "Port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    data_dir: str = _row(
        "", "Keys and usage live here; empty: $XDG_DATA_HOME/streamer or ~/.local/share/streamer."
    )
    tls: Literal["", "self"] = _row(
        "", "'self': serve TLS with a throwaway certificate and print its fingerprint."
    )
    tls_cert: str = _row("", "PEM file of the certificate chain.")
    tls_key: str = _row("", "PEM file of the certificate's private key.")
    origins: list[str] = _row(
        [], "Web origins allowed besides the server's own, e.g. https://app.example.org."
    )
    log_level: Literal["debug", "info", "warning", "error"] = _row(
        "info", "Least level that is logged."
    )
    log_format: Literal["json", "text"] = _row("json", "Form of a log line.")

    # What speaks
    engines: list[str] = _row(
        ["hibari"], "Engines to load, in the order in which voices are looked for."
    )
    voice: str = _row(
        "", "Voice when a client names none; empty: the first voice of the first engine."
    )
    voice_aliases: dict[str, str] = _row({}, 'Other names for voices, e.g. {alloy = "heart"}.')
    stand_in: str = _row(
        "",
        "Voice that speaks where a client of a hosted API asks for a clone or a designed voice that no"
        " engine here can make; empty: its request is refused.",
    )
    hosted_strict: bool = _row(
        False,
        "Refuse what a client of a hosted API asks for and nothing here can do, such as instructions,"
        " rather than warn.",
    )
    runware_ogg: Literal["opus", "vorbis"] = _row(
        "opus",
        "Codec of OGG for clients of Runware's API; 'vorbis' needs the package soundfile (extra 'vorbis').",
    )
    providers: dict[str, Provider] = _row(
        {},
        "Hosted APIs that speak, each an engine of its name: a table of url, key, model, models, voice,"
        " voices, price_per_1000, text_limit, timeout_s, concurrency, word_times (JSON in flag and"
        " environment).",
    )
    fallbacks: dict[str, str] = _row(
        {},
        "Chains of engine and voice that speak as one voice; where one fails, the next goes on, e.g."
        ' {agent = "crun:Serena hibari:heart"}.',
    )
    fallback_timeout_s: float = _row(
        5.0,
        "An engine in a chain that is silent for so long while it should speak has failed.",
        minimum=0.05,
    )
    breaker_failures: int = _row(
        3, "An engine in a chain that fails so often in a row is left alone for a while.", minimum=1
    )
    breaker_rest_s: float = _row(
        15.0,
        "For how long; then one utterance tries it. A provider's Retry-After goes before.",
        minimum=0.1,
    )
    cache_bytes: int = _row(
        0, "Memory for phrases that have been spoken, to be said again at once; 0: none.", minimum=0
    )
    cache_disk_bytes: int = _row(
        0, "Room for them in the data directory, beside cache_bytes; 0: none.", minimum=0
    )
    cache_engines: list[str] = _row([], "Engines whose phrases are kept; empty: all.")
    workers: int = _row(0, "Threads that synthesise; 0: one per core.", minimum=0)
    qwen3: list[str] = _row(
        [],
        "Checkpoints of Qwen3-TTS that the engine qwen3 speaks with, directories or names on the hub:"
        " CustomVoice has voices, Base makes clones, VoiceDesign with Base makes voices after descriptions.",
    )
    qwen3_device: str = _row(
        "auto", "Device of the engine qwen3, e.g. cuda:1 or cpu; auto: a GPU if there is one."
    )
    qwen3_slots: int = _row(
        64, "Most utterances that each checkpoint of qwen3 speaks at once; others wait.", minimum=1
    )
    qwen3_capacity: int = _row(
        1024,
        "Room of one such utterance, in frames of 80 ms, its prompt included; with all slots 7.5 GB of"
        " memory for 64 x 1024.",
        minimum=128,
        maximum=32768,
    )
    qwen3_eager: bool = _row(
        False, "Run qwen3 on a GPU without CUDA graphs: slower, for finding faults. A CPU has none."
    )
    qwen3_hub: bool = _row(
        True,
        "Whether checkpoints that are named as on the hub may be fetched from there at the start.",
    )
    first_clause_words: int = _row(
        4, "Least words of a first segment that is cut at a clause mark.", minimum=1
    )
    text_pause_ms: int = _row(
        300,
        "Input that pauses this long is cut where it may be, once the listener has little left.",
        minimum=1,
    )
    lead_ms: int = _row(
        1000, "How far sound is sent ahead of its play-out time to a live listener.", minimum=20
    )
    price_per_1000: float = _row(
        0.0, "Price of 1,000 characters, for `cost` and budgets.", minimum=0
    )

    # Limits
    max_message_bytes: int = _row(65536, "Largest WebSocket message.", minimum=1024)
    max_body_bytes: int = _row(1048576, "Largest HTTP request body.", minimum=1024)
    max_pending_chars: int = _row(
        50000, "Most text of one context that is not yet spoken.", minimum=1
    )
    max_context_chars: int = _row(
        2000000,
        "Most text of one context in all; how much is kept to tell what was heard.",
        minimum=1,
    )
    max_captions_s: float = _row(
        43200.0,
        "Longest sound of captions over HTTP and in jobs; cues beyond are skipped, silence ends there.",
        minimum=1,
    )
    max_contexts: int = _row(16, "Most contexts at once on one connection.", minimum=1)
    max_connections: int = _row(
        1000, "Most WebSockets, HTTP requests that speak and uploads, together, at once.", minimum=1
    )
    max_listeners: int = _row(
        2000,
        "Most connections at once that only listen to channels, besides max_connections.",
        minimum=1,
    )
    key_contexts: int = _row(
        64, "Most contexts at once of one key (a key's own limit goes before).", minimum=1
    )
    key_connections: int = _row(256, "As max_connections, of one key.", minimum=1)
    key_listeners: int = _row(1000, "As max_listeners, of one key.", minimum=1)
    key_requests_per_minute: int = _row(
        6000, "Most contexts and HTTP requests of one key in a minute.", minimum=1
    )
    key_chars_per_minute: int = _row(1000000, "Most characters of one key in a minute.", minimum=1)
    key_channels: int = _row(16, "Most channels of one key that are open at once.", minimum=1)
    channel_listeners: int = _row(1000, "Most listeners of one channel.", minimum=1)
    channel_formats: int = _row(
        8,
        "Most formats that one channel is encoded in at once, besides those of links and plain Opus.",
        minimum=1,
    )

    # Jobs, files, webhooks
    job_workers: int = _row(
        0, "Jobs that speak at once; 0: one for every two cores, at least one.", minimum=0
    )
    job_attempts: int = _row(
        3, "How often a job is tried whose engine fails before it has failed.", minimum=1
    )
    job_keep_s: float = _row(
        2592000.0, "How long a finished job is remembered, and its Idempotency-Key.", minimum=60
    )
    max_job_results: int = _row(4, "Most results of one job.", minimum=1)
    key_jobs: int = _row(10000, "Most unfinished jobs of one key.", minimum=1)
    file_ttl_s: float = _row(
        86400.0, "How long results and uploads are kept where a client says nothing.", minimum=1
    )
    max_file_ttl_s: float = _row(2592000.0, "The longest a client may ask for.", minimum=1)
    max_file_bytes: int = _row(20971520, "Largest upload.", minimum=1024)
    key_file_bytes: int = _row(1073741824, "Most bytes of files of one key.", minimum=1024)
    key_voices: int = _row(
        100,
        "Most voices that one key has made; as many again of those that tasks of hosted APIs bring along.",
        minimum=1,
    )
    public_url: str = _row(
        "",
        "Where clients reach this server, for links in webhooks; empty: as the job's client did.",
    )
    fetch_allow: list[str] = _row(
        [],
        "Private hosts and networks that URLs of clients may name, e.g. 10.0.0.0/8,hooks.internal.",
    )
    fetch_ports: list[int] = _row([80, 443], "Ports that URLs of clients may name.")
    fetch_timeout_s: float = _row(
        20.0, "A URL of a client's is fetched, a webhook answered, within this time.", minimum=0.1
    )

    # Time
    idle_s: float = _row(
        60.0, "A context with no text, end or sound to play for so long ends.", minimum=0.01
    )
    connection_idle_s: float = _row(
        300.0, "A connection without message or context for so long is closed (4002).", minimum=0.01
    )
    ping_s: float = _row(
        20.0, "WebSocket ping interval; a missing pong for as long again closes.", minimum=0.01
    )
    send_timeout_s: float = _row(
        10.0, "A send that stalls this long cancels and closes (4001).", minimum=0.01
    )
    resume_s: float = _row(
        30.0,
        "How long a client that asked for it may be without a socket and still go on where it was.",
        minimum=0,
    )
    resume_bytes: int = _row(
        4194304,
        "Most of one context that is kept for it meanwhile; synthesis waits then.",
        minimum=65536,
    )
    replay_s: float = _row(
        5.0,
        "How much sound of a live context is kept, besides what its listener has not played yet, to go on"
        " from after a pause.",
        minimum=0.5,
        maximum=60,
    )
    channel_back_s: float = _row(
        30.0,
        "How far back a listener of a channel may join; one who is further behind is cut.",
        minimum=0,
        maximum=300,
    )
    channel_linger_s: float = _row(
        30.0,
        "How long a channel stays open after its last context, in silence, for a publisher to come back.",
        minimum=0,
    )
    token_max_s: float = _row(
        3600.0, "The longest that a token of POST /v1/tokens may be good for.", minimum=1
    )
    drain_s: float = _row(30.0, "SIGTERM lets live utterances finish for so long.", minimum=0)
    keys_recheck_s: float = _row(
        5.0,
        "How often revoked and rotated keys are looked for: connections close, what revoked ones"
        " stored goes.",
        minimum=0.01,
    )
