"""What a child gives up before it reads a byte of a client's. Linux."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import platform
import resource
import signal
import struct

NOBODY = 65534
DESCRIPTORS = 1024
"""Most descriptors of the zygote, hence of a child when it begins."""

_LIBC = ctypes.CDLL(None)
_PDEATHSIG, _NO_NEW_PRIVS, _SECCOMP, _FILTER = 1, 38, 22, 2  # linux/prctl.h, linux/seccomp.h

X86_64 = 0xC000003E  # linux/audit.h
CALLS = {
    "read": 0,
    "write": 1,
    "close": 3,
    "fstat": 5,
    "lseek": 8,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "getpid": 39,
    "sendto": 44,
    "recvfrom": 45,
    "exit": 60,
    "gettimeofday": 96,
    "getppid": 110,
    "sigaltstack": 131,
    "gettid": 186,
    "futex": 202,
    "sched_getaffinity": 204,
    "restart_syscall": 219,
    "clock_gettime": 228,
    "exit_group": 231,
    "getrandom": 318,
}
"""System calls that decoding needs, by their numbers on x86-64; any other fails with EPERM. On other
machines there is no filter, and the bounds alone must do."""


def confine(keep: int, memory: int, cpu_s: float) -> None:
    """Take from this process all that decoding doesn't need. `keep` becomes its only descriptor.

    `memory` bounds the address space, of which about 220 MB are there from the start.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.closerange(0, keep)
    os.closerange(keep + 1, DESCRIPTORS)
    os.chdir("/")
    os.environ.clear()
    cpu = math.ceil(cpu_s)
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_NOFILE, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # A container may not let its root be anybody else.
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    _prctl(_NO_NEW_PRIVS, 1)
    _prctl(_PDEATHSIG, signal.SIGKILL)  # After the change of user, which forgets it.
    if platform.machine() == "x86_64":
        _filter_calls()


def _filter_calls() -> None:
    """A seccomp filter: `CALLS`, and nothing else."""
    load, equal, give = 0x20, 0x15, 0x06  # linux/bpf_common.h
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EPERM
    program = [(load, 0, 0, 4), (equal, 1, 0, X86_64), (give, 0, 0, refuse), (load, 0, 0, 0)]
    for left, number in zip(range(len(CALLS), 0, -1), CALLS.values(), strict=True):
        program.append((equal, left, 0, number))
    program += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    pointer = ctypes.create_string_buffer(header)
    _prctl(_SECCOMP, _FILTER, ctypes.addressof(pointer))


def _prctl(option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    _LIBC.prctl(option, *map(ctypes.c_ulong, padded))
