"""A process that speaks the jobs of a directory and is killed at a random moment: `python -m
tests.jobs.victim DIRECTORY SECONDS`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from tests.jobs.house import house


async def main(directory: Path, seconds: float) -> None:
    async with house(directory, job_workers=2):
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL))
        timer.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
