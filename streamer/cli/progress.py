"""What `say` tells a person at a terminal: how much sound there is, how fast it came, where it went."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from streamer.types import Done, Started

REFRESH_S = 0.1


class Progress:
    """A line on standard error while it lasts and one when it is done; silent without a terminal."""

    def __init__(self, output: str | None, waiting: str = "waiting for text") -> None:
        self._console = Console(stderr=True, quiet=not sys.stderr.isatty(), highlight=False)
        self._output = "played" if output is None else output
        self._begun = self._shown = time.monotonic()
        self._first: float | None = None
        self._status = Status(waiting, console=self._console)
        self._rate = 1
        self._who = ""

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._status.stop()

    def started(self, event: Started) -> None:
        self._rate = event.audio.sample_rate or 1
        self._who = f"{event.engine}/{event.voice}, {event.audio.codec} {self._rate} Hz"
        for warning in event.warnings:
            self._console.print(f"note: {warning}", style="yellow", markup=False)

    def sounded(self, samples: int) -> None:
        """So many samples of sound are out."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        if now - self._shown >= REFRESH_S:
            self._shown = now
            seconds = samples / self._rate
            speed = seconds / max(now - self._first, 0.001)
            self._status.update(f"{seconds:.1f} s of sound, {speed:.0f} times real time")

    def note(self, line: str) -> None:
        """What is to be known without a terminal too."""
        if self._console.quiet:
            print(line, file=sys.stderr)
        else:
            self._console.print(line, markup=False, soft_wrap=True)

    def done(self, event: Done) -> None:
        self._console.print(
            f"{self._output}: {event.audio_ms / 1000:.2f} s, {event.characters} characters, {self._who}",
            markup=False,
        )
