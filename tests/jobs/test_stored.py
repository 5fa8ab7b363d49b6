"""Requests as they are kept on disk are read by several threads."""

from __future__ import annotations

import subprocess
import sys

READ_AT_ONCE = """
import sys, threading
from streamer.jobs import stored
from streamer.resources import JobRequest
from streamer.types import Start

data = stored.encode(stored.Stored(JobRequest(Start("a"), "text")))
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)

def read():
    together.wait()
    assert stored.decode(data).request.text == "text"

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_that_read_for_the_first_time_at_once_do_not_crash() -> None:
    for _ in range(4):
        ran = subprocess.run([sys.executable, "-c", READ_AT_ONCE], capture_output=True, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, b"")
