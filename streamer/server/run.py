"""A server from its settings to its exit code: engines first, then the port, and a drain at the end."""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from streamer.audio import vorbis
from streamer.config import Settings, data_dir
from streamer.database import storage_error
from streamer.engines.opening import EngineCounts, open_engines
from streamer.errors import InvalidParameter, NotAvailable, StreamerError, UnknownVoice
from streamer.listeners import Listeners
from streamer.packets import Tap
from streamer.protocols.hosted_voices import default_aliases
from streamer.server import logs, tls
from streamer.server.access import is_loopback
from streamer.server.app import create_app
from streamer.server.auth import SCOPES, KeyStore
from streamer.server.descriptors import allow_descriptors
from streamer.server.directory import DirectoryLock
from streamer.server.port import require_free
from streamer.server.resources import DATABASE, open_resources, open_voices
from streamer.server.service import Service
from streamer.server.speaking import OpenSession, Speaking
from streamer.server.transport import HttpProtocol, WebSocketProtocol
from streamer.sessions import open_session as open_any
from streamer.types import Start
from streamer.usage import Usage
from streamer.voices import Catalogue, VoiceStore, open_catalogue

SWITCH_S = 0.001
"""How long a synthesis thread may hold the GIL while the loop waits for it (Python's default is 5 ms)."""
FIRST_KEY = "first"
"""Name of the key that a container makes for itself."""

Tell = Callable[[str], None]
"""Says a line to the person who started the server."""


class Server(uvicorn.Server):
    """uvicorn that lets live utterances finish before it goes.

    While it drains it still listens: whoever comes then is told 503 and not refused by the kernel. A
    second signal ends it at once. It exits with 0 after a signal: being stopped is no failure.
    """

    def __init__(self, config: uvicorn.Config, service: Service, tell: Tell, url: str) -> None:
        super().__init__(config)
        self._service = service
        self._tell = tell
        self._url = url

    @property
    def port(self) -> int:
        """The port it really listens on."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        if self.started:
            self._tell(self._url.format(port=self.port))

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await self._service.drain(lambda: self.force_exit)
        await super().shutdown()
        if self.force_exit:  # uvicorn leaves this out then; engines and usage want to be closed
            await self.lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                # uvicorn would raise them again, and the process die by them.
                self._captured_signals.clear()


@dataclass(frozen=True, slots=True)
class _Address:
    """Where the server says it can be found."""

    scheme: str
    host: str
    fragment: str = ""

    def __str__(self) -> str:
        shown = "host" if self.host in ("", "0.0.0.0", "::") else self.host
        shown = f"[{shown}]" if ":" in shown else shown
        return f"Streamer listening on {self.scheme}://{shown}:{{port}}/{self.fragment}"


def configure(settings: Settings, service: Service, tell: Tell, fragment: str = "") -> Server:
    """A uvicorn server of that service, ready to `serve()`. Raises `InvalidParameter` for bad TLS
    settings."""
    context, fingerprint = tls.open_context(settings)
    if fingerprint is not None:
        tell(f"Certificate fingerprint (SHA-256): {fingerprint}")
    config = uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        lifespan="on",
        loop="auto",
        log_config=None,
        access_log=False,
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_s,
        ws_ping_timeout=settings.ping_s,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        server_header=False,
        ssl_context_factory=None if context is None else lambda config, default: context,
    )
    scheme = "http" if context is None else "https"
    return Server(config, service, tell, str(_Address(scheme, settings.host, fragment)))


def require_keys(settings: Settings, keys: KeyStore, *, first_key: bool) -> str:
    """Off loopback there must be a key. Returns the fragment of the page's address if one was made.

    Raises `InvalidParameter` with the one line that fixes it.
    """
    live = [key for key in keys.list() if key.revoked is None]
    if first_key and not keys.list():
        return "#key=" + keys.new(FIRST_KEY, scopes=SCOPES)
    if not live and not is_loopback(settings.host):
        where = f" --data-dir {shlex.quote(settings.data_dir)}" if settings.data_dir else ""
        raise InvalidParameter(
            f"listening on {settings.host or 'every address'} needs a key; make one with:"
            f" streamer keys new NAME{where}",
            param="host",
        )
    return ""


def load(settings: Settings, counts: EngineCounts | None = None) -> Catalogue:
    """The engines of the settings, loaded and warm, and names for their voices that clients of hosted
    APIs know. Blocks; raises `StreamerError`."""
    _require_vorbis(settings)
    engines = open_engines(settings, counts=counts)
    voices = [voice for engine in engines for voice in engine.voices]
    own = settings.voice_aliases
    aliases = default_aliases(voices, own.get(settings.voice, settings.voice)) | own
    catalogue = open_catalogue(engines, default=settings.voice, aliases=aliases)
    try:
        catalogue.resolve(voice=settings.stand_in or None)
    except UnknownVoice as error:
        raise InvalidParameter(f"stand_in: {error.message}", param="stand_in") from None
    return catalogue


def _require_vorbis(settings: Settings) -> None:
    if settings.runware_ogg != "vorbis":
        return
    try:
        vorbis.load()
    except NotAvailable as error:
        raise InvalidParameter(f"runware_ogg: {error.message}", param="runware_ogg") from None


def sessions(
    settings: Settings,
    catalogue: Catalogue,
    made: VoiceStore | None = None,
    listeners: Listeners | None = None,
) -> OpenSession:
    """How this server makes its sessions. `made` are the voices that keys have made."""
    listeners = listeners or Listeners()

    def open_session(
        start: Start,
        *,
        paced: bool,
        background: bool = False,
        key: str = "",
        voices: Set[str] | None = None,
        tap: Tap | None = None,
    ) -> Speaking:
        seen = catalogue if made is None else catalogue.seen_with(made.of(key))
        return open_any(
            start,
            catalogue=seen if voices is None else seen.limited_to(voices),
            settings=settings,
            paced=paced,
            background=background,
            listeners=listeners,
            tap=tap,
        )

    return open_session


def serve(settings: Settings, *, tell: Tell | None = None, first_key: bool = False) -> int:
    """Serve until a signal; 0 if it ended as it should. Errors of the settings are told, and 2 returned.

    `first_key`: where there is no key yet, make one and tell the page's address with it.
    """
    say = tell or _say
    logs.configure(settings.log_level, settings.log_format)
    sys.setswitchinterval(SWITCH_S)
    allow_descriptors(settings)
    directory = data_dir(settings)
    try:
        require_free(settings.host, settings.port)
        lock = DirectoryLock(directory)
        with contextlib.closing(lock):
            keys = KeyStore(directory)
            fragment = require_keys(settings, keys, first_key=first_key)
            counts = EngineCounts()
            catalogue = load(settings, counts)
            voices, listeners = open_voices(settings, directory), Listeners()
            opens = sessions(settings, catalogue, voices, listeners)
            with contextlib.ExitStack() as stack:
                usage = stack.enter_context(contextlib.closing(_open_usage(directory)))
                resources = open_resources(settings, directory, usage, opens, voices)
                stack.callback(resources.database.close)
                service = Service(
                    *(settings, catalogue, keys, usage, opens, resources),
                    listeners=listeners,
                    engine_counts=counts,
                )
                server = configure(settings, service, say, fragment)
                with contextlib.suppress(SystemExit):  # uvicorn's word for a failed start
                    server.run()
                if service.failure is not None:
                    raise service.failure
                return 0 if server.started else 1
    except StreamerError as error:
        print(f"streamer: {error.message}", file=sys.stderr)  # noqa: T201
        return 2


def _open_usage(directory: Path) -> Usage:
    """Raises `StorageFull` or `StorageUnavailable`."""
    try:
        return Usage(directory / DATABASE)
    except (sqlite3.Error, OSError) as error:
        raise storage_error(error) from None


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
