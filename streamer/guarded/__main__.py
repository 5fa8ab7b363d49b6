"""The zygote, and what a child of it does."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

import av

from streamer.guarded import ANSWER, READY, REPORT, REQUEST, Ending, Verdict
from streamer.guarded.confinement import DESCRIPTORS, confine
from streamer.guarded.decoding import Refused, Samples, decode

CHUNK = 1 << 18
"""Bytes read at once."""


class Request(NamedTuple):
    """The fields of `REQUEST`."""

    rate: int
    most: int
    size: int
    memory: int
    cpu_s: float
    wall_s: float


@dataclass(slots=True)
class Child:
    """One file's process, where its end is told, and when it must have ended (monotonic seconds)."""

    pid: int
    report: socket.socket
    deadline: float
    overdue: bool = False

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def tell(self, status: int, resident: int) -> None:
        """Say how it ended, to whoever still wants to know."""
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            ending = Ending.EXITED
        else:
            ending = Ending.OVERDUE if self.overdue else Ending.KILLED
        _tell(self.report, ending, abs(code), resident)


class Zygote:
    """One loop over requests, callers that go, children that end, and deadlines."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, Child] = {}
        """By the descriptor of `report`."""
        self._poll = select.poll()
        self._wake, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Else nothing is written to `wakes`.
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def run(self) -> None:
        """Until the other side of the control socket has gone; then no child is left."""
        try:
            while self._step():
                self._reap()
                self._end_overdue()
        finally:
            for child in self._children.values():
                child.kill()
            for child in self._children.values():
                os.waitpid(child.pid, 0)

    def _step(self) -> bool:
        for ready, _ in self._poll.poll(self._patience()):
            if ready == self._control.fileno():
                if not self._accept():
                    return False
            elif ready == self._wake:
                os.read(self._wake, CHUNK)
            elif ready in self._children:
                self._children[ready].kill()
        return True

    def _patience(self) -> float | None:
        """Milliseconds until the next deadline."""
        waiting = [child.deadline for child in self._children.values() if not child.overdue]
        return max(0.0, min(waiting) - time.monotonic()) * 1000 + 1 if waiting else None

    def _accept(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, REQUEST.size, 2)
        sockets = [socket.socket(fileno=fd) for fd in fds]
        if len(message) != REQUEST.size or len(sockets) != 2:
            return False
        self._fork(Request._make(REQUEST.unpack(message)), *sockets)
        return True

    def _fork(self, request: Request, connection: socket.socket, report: socket.socket) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            _tell(report, Ending.NOT_STARTED, 0, 0)
            connection.close()
            return
        if pid == 0:
            _live(request, connection, parent)
        connection.close()
        self._children[report.fileno()] = Child(pid, report, time.monotonic() + request.wall_s)
        self._poll.register(report, 0)  # That its other end is closed is told all the same.

    def _reap(self) -> None:
        for fd, child in list(self._children.items()):
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                self._poll.unregister(fd)
                del self._children[fd]
                child.tell(status, usage.ru_maxrss << 10)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if now >= child.deadline and not child.overdue:
                child.overdue = True
                child.kill()


def _live(request: Request, connection: socket.socket, parent: int) -> NoReturn:
    """A child's whole life, whatever happens in it."""
    status = 1
    try:
        confine(connection.fileno(), request.memory, request.cpu_s)
        if os.getppid() == parent:  # Else it died before it could take this process along.
            _answer(request, connection)
            status = 0
    finally:
        os._exit(status)


def _answer(request: Request, connection: socket.socket) -> None:
    pieces: list[Samples] = []
    try:
        pieces = decode(_received(connection, request.size), request.rate, request.most)
        verdict = Verdict.SOUND
    except Refused as refused:
        verdict = refused.verdict
    except MemoryError:
        verdict = Verdict.MEMORY
    except Exception:
        verdict = Verdict.BROKEN
    connection.sendall(ANSWER.pack(verdict, sum(map(len, pieces))))
    for piece in pieces:
        connection.sendall(piece.data)


def _received(connection: socket.socket, size: int) -> io.BytesIO:
    file = io.BytesIO()
    while (missing := size - file.tell()) > 0:
        chunk = connection.recv(min(missing, CHUNK))
        if not chunk:
            raise Refused(Verdict.NOT_MEDIA)
        file.write(chunk)
    file.seek(0)
    return file


def _tell(report: socket.socket, ending: Ending, number: int, resident: int) -> None:
    with contextlib.suppress(OSError):
        report.send(REPORT.pack(ending, number, resident), socket.MSG_DONTWAIT)
    report.close()


def _warm() -> None:
    """Decode a hundredth of a second of silence of our own, for what is only made at first use."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, 24_000, 48_000, 2, 16)
    body = b"WAVEfmt " + form + b"data" + struct.pack("<I", 480) + bytes(480)
    decode(io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body), 48_000, 480)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    av.logging.set_level(None)
    _warm()
    gc.collect()
    gc.disable()
    gc.freeze()  # A collection would write to, and so copy, every page that children share.
    with contextlib.suppress(OSError):
        control.send(READY)
        Zygote(control).run()


if __name__ == "__main__":
    main()
