"""Waiting for a job: a bar on a terminal, and patience with a server that restarts meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from streamer.client.remote import Remote
from streamer.errors import StreamerError
from streamer.protocols.native.jobs import JobAnswer, decode_job_state
from streamer.resources import PENDING

SOONEST_S = 0.1
LATEST_S = 2.0
"""When a job is asked after; in between a tenth of how long it says it takes."""
PATIENCE_S = 120.0
"""A server that answers nothing for so long is given up; its job goes on when it is back."""


async def finished(remote: Remote, job: JobAnswer) -> JobAnswer:
    """The job, completed. Where it failed or was cancelled the command ends with code 1, one line said."""
    try:
        job = await _watched(remote, job)
    except (asyncio.CancelledError, OSError):
        _tell(f"{job.id} goes on without us: streamer jobs show {job.id}")
        raise
    if job.status != "completed":
        why = "" if job.error is None else f": {job.error.code}: {job.error.message}"
        _tell(f"{job.id} {job.status}{why}")
        raise typer.Exit(1)
    return job


async def _watched(remote: Remote, job: JobAnswer) -> JobAnswer:
    console = Console(stderr=True, quiet=not sys.stderr.isatty(), highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(_state(job), total=1.0)
        while job.status in PENDING:
            await asyncio.sleep(min(max((job.estimate_s or 0.0) / 10, SOONEST_S), LATEST_S))
            job = await _asked(remote, job.id)
            bar.update(task, description=_state(job), completed=job.progress)
    return job


async def _asked(remote: Remote, id: str) -> JobAnswer:
    """The job as it is now; a server that is away is asked again."""
    begun = time.monotonic()
    while True:
        try:
            return await remote.ask(decode_job_state, "GET", f"/v1/jobs/{id}")
        except (OSError, StreamerError) as error:
            lasting = isinstance(error, StreamerError) and not error.retryable
            if lasting or time.monotonic() - begun > PATIENCE_S:
                raise
        await asyncio.sleep(LATEST_S)


def _state(job: JobAnswer) -> str:
    """`queued behind 3, 20 s`."""
    ahead = f" behind {job.position}" if job.position else ""
    left = "" if job.estimate_s is None else f", {job.estimate_s:.0f} s"
    return job.status + ahead + left


def _tell(line: str) -> None:
    print(f"streamer: {' '.join(line.split())}", file=sys.stderr)
