"""Media from strangers becomes samples here, and nothing else: every file in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from streamer.errors import InternalError, InvalidMedia, MessageLimit
from streamer.guarded import ANSWER, READY, REPORT, REQUEST, Ending, Verdict
from streamer.types import Samples

START_S = 30.0
"""Most time that the zygote may take to load its libraries; it takes half a second."""
GRACE_S = 5.0
"""How long after its deadline we still wait for word of a child; then the zygote itself is stuck."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may take: of memory (address space, about 220 MB of which are the libraries), of
    processor and wall time in seconds; its size in bytes; and how many are decoded at once."""

    memory_bytes: int = 1 << 30
    cpu_s: float = 5.0
    wall_s: float = 10.0
    max_bytes: int = 20 << 20
    concurrency: int = 2


@dataclass(frozen=True, slots=True)
class _Report:
    """How a child ended: its exit status or signal, the most bytes it had resident."""

    ending: Ending
    number: int
    resident: int


class _Died(InternalError):
    """The process that was asked is no more."""


class Guard:
    """Decodes what clients send. No process runs before the first file; `aclose` ends all."""

    def __init__(self, *, limits: Limits = Limits()) -> None:
        self.limits = limits
        self.peak_bytes = 0
        """The most memory that any file's process has had resident."""
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._starting = asyncio.Lock()
        self._zygote: _Zygote | None = None
        self._closed = False

    async def decode(
        self, data: bytes, *, sample_rate: int = 24_000, max_s: float = 60.0
    ) -> Samples:
        """The first audio stream of a file, mono at `sample_rate`. Cancelling it ends its process.

        Raises `InvalidMedia` if it is no sound, damaged, longer than `max_s` or costs more than the
        limits; `MessageLimit` if the file is too large; `InternalError` if nothing can be decoded.
        """
        if len(data) > self.limits.max_bytes:
            raise MessageLimit(
                f"a sound file may have {self.limits.max_bytes} bytes, not {len(data)}",
                param="audio",
                limit=self.limits.max_bytes,
            )
        if not data:
            raise InvalidMedia("the sound file is empty", param="audio")
        most = round(max_s * sample_rate)
        async with self._slots:
            try:
                verdict, samples, report = await self._ask(data, sample_rate, most)
            except _Died:  # Perhaps before it heard of this file: it is given to another, once.
                verdict, samples, report = await self._ask(data, sample_rate, most)
        self.peak_bytes = max(self.peak_bytes, report.resident)
        if verdict is Verdict.SOUND and np.isfinite(samples).all():
            return samples
        raise self._refusal(verdict, report, max_s)

    async def aclose(self) -> None:
        """End every process. Files that are being decoded fail with `InternalError`."""
        self._closed = True
        if self._zygote is not None:
            await self._zygote.end()

    async def _started(self) -> _Zygote:
        async with self._starting:
            if self._closed:
                raise InternalError("the decoder of sound files is closed")
            if self._zygote is not None and not self._zygote.alive():
                self._zygote.kill()
                self._zygote = None
            if self._zygote is None:
                try:
                    self._zygote = _Zygote()
                    async with asyncio.timeout(START_S):
                        await self._zygote.ready()
                except (OSError, TimeoutError, EOFError) as error:
                    self._abandon()
                    raise InternalError("the decoder of sound files doesn't start") from error
                except BaseException:
                    self._abandon()
                    raise
            return self._zygote

    def _abandon(self) -> None:
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote = None

    async def _ask(
        self, data: bytes, sample_rate: int, most: int
    ) -> tuple[Verdict, Samples, _Report]:
        zygote, limits = await self._started(), self.limits
        request = REQUEST.pack(
            sample_rate, most, len(data), limits.memory_bytes, limits.cpu_s, limits.wall_s
        )
        with contextlib.ExitStack() as ours:
            connection, report = zygote.ask(request, ours)
            try:
                async with asyncio.timeout(limits.wall_s + GRACE_S):
                    with contextlib.suppress(OSError):  # It has ended before it read everything.
                        await asyncio.get_running_loop().sock_sendall(connection, data)
                    verdict, samples = await _answer(connection, most)
                    told = await _receive(report, bytearray(REPORT.size))
            except TimeoutError as error:
                zygote.kill()
                raise InternalError("the decoder of sound files is stuck") from error
        if len(told) < REPORT.size:
            zygote.kill()
            raise _Died("the decoder of sound files has ended")
        ending, number, resident = REPORT.unpack(told)
        return verdict, samples, _Report(Ending(ending), number, resident)

    def _refusal(
        self, verdict: Verdict, report: _Report, max_s: float
    ) -> InvalidMedia | InternalError:
        """Why there is no sound: what the child said, else what it died of."""
        limits = self.limits
        if report.ending is Ending.NOT_STARTED:
            return InternalError("no process can be started to decode a sound file")
        if report.ending is Ending.OVERDUE:
            return _invalid(f"takes longer than {limits.wall_s:g} s to decode", limits.wall_s)
        if report.ending is Ending.KILLED and report.number == signal.SIGXCPU:
            return _invalid(
                f"takes more than {limits.cpu_s:g} s of processor time to decode", limits.cpu_s
            )
        if report.ending is Ending.KILLED:
            return _invalid(f"ended its decoder (signal {report.number})")
        if verdict is Verdict.TOO_LONG:
            return _invalid(f"has more than {max_s:g} s of sound", max_s)
        if verdict is Verdict.MEMORY:
            return _invalid(
                f"takes more than {limits.memory_bytes} bytes of memory to decode",
                limits.memory_bytes,
            )
        if verdict is Verdict.NOT_MEDIA:
            return _invalid("is not in a known sound format")
        if verdict is Verdict.NO_SOUND:
            return _invalid("holds no sound")
        return _invalid("is damaged")


def _invalid(what: str, limit: float | None = None) -> InvalidMedia:
    details = {} if limit is None else {"limit": limit}
    return InvalidMedia(f"the sound file {what}", param="audio", **details)


async def _answer(connection: socket.socket, most: int) -> tuple[Verdict, Samples]:
    """What a child says, which nobody vouches for: anything unexpected is `BROKEN`."""
    nothing: Samples = np.zeros(0, np.float32)
    header = await _receive(connection, bytearray(ANSWER.size))
    if len(header) < ANSWER.size:
        return Verdict.BROKEN, nothing
    word, count = ANSWER.unpack(header)
    if word != Verdict.SOUND:
        return Verdict(word) if word in list(Verdict) else Verdict.BROKEN, nothing
    if not 0 < count <= most:
        return Verdict.BROKEN, nothing
    samples: Samples = np.empty(count, np.float32)
    received = await _receive(connection, samples.view(np.uint8).data)
    return (Verdict.SOUND if len(received) == samples.nbytes else Verdict.BROKEN), samples


async def _receive(connection: socket.socket, buffer: bytearray | memoryview) -> memoryview:
    """Fill the buffer; less of it if the other side ends."""
    loop = asyncio.get_running_loop()
    view, got = memoryview(buffer), 0
    with contextlib.suppress(OSError):
        while got < len(view) and (more := await loop.sock_recv_into(connection, view[got:])):
            got += more
    return view[:got]


class _Zygote:
    """The process that forks one for each file, seen from here."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "streamer.guarded", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    start_new_session=True,  # A terminal's interrupt is for us to act on.
                )
        except BaseException:
            self._control.close()
            raise

    async def ready(self) -> None:
        """Wait until it can fork; EOFError if it ends before."""
        loop = asyncio.get_running_loop()
        if await loop.sock_recv(self._control, len(READY)) != READY:
            raise EOFError

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, request: bytes, ours: contextlib.ExitStack
    ) -> tuple[socket.socket, socket.socket]:
        """A child for this request: its connection, and where its end will be told. Both are closed
        with `ours`, which ends the child."""
        with contextlib.ExitStack() as theirs:
            pairs = [socket.socketpair() for _ in range(2)]
            for mine, other in pairs:
                mine.setblocking(False)
                ours.enter_context(mine)
                theirs.enter_context(other)
            try:
                socket.send_fds(self._control, [request], [other.fileno() for _, other in pairs])
            except OSError as error:
                raise InternalError("the decoder of sound files has ended") from error
        return pairs[0][0], pairs[1][0]

    async def end(self) -> None:
        """Let it end its children and itself."""
        try:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)  # A `ready` that still waits hears of it.
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, GRACE_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """At once; its children die with it. May be called twice."""
        self._control.close()
        self._process.kill()
        self._process.wait()


def _environment() -> dict[str, str]:
    """All that the zygote knows of ours: where modules and libraries are found. One thread, as it forks;
    one arena, as an arena's address space counts against the memory of a child."""
    found = {
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        found["LD_LIBRARY_PATH"] = libraries
    return found
