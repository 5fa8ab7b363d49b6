"""The decoder of foreign media, in processes of its own: `python -m streamer.guarded FD`.

One small process with the libraries loaded and a single thread (the zygote) waits on FD, and forks a
child for each file. The child has nothing of the server: one socket, no environment, no right to open
a file or a socket, to write, to start a process; bounds on memory and processor time. The zygote
watches the clock, ends children whose caller has gone, and says how each ended. It never reads what a
client sent.

FD is a Unix seqpacket socket. A request is one `REQUEST` with two stream sockets: the child's, on which
it reads the file and writes one `ANSWER` with its samples (float32), and one on which a `REPORT` is
written when the child has ended. Closing the latter ends the child; closing FD ends everything.
"""

from __future__ import annotations

import struct
from enum import IntEnum

REQUEST = struct.Struct("<IIQQdd")
"""Samples a second, most samples, bytes of the file, bytes of memory, seconds of processor, of time."""
ANSWER = struct.Struct("<BI")
"""A `Verdict`, and how many samples follow."""
REPORT = struct.Struct("<BIQ")
"""An `Ending`, its exit status or signal, and the most memory that was resident, in bytes."""
READY = b"\x01"
"""What the zygote says once it can fork."""


class Verdict(IntEnum):
    """What a child has to say of its file."""

    SOUND = 0
    NOT_MEDIA = 1
    NO_SOUND = 2
    TOO_LONG = 3
    BROKEN = 4
    MEMORY = 5


class Ending(IntEnum):
    """How a child ended."""

    EXITED = 0
    KILLED = 1
    OVERDUE = 2
    NOT_STARTED = 3
