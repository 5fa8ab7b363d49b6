"""Which contexts a listener may still report on. Pure."""

from __future__ import annotations

MOST = 256
"""So many of the contexts that ended last."""


class Reports:
    """Each context that has ended is reported on once."""

    def __init__(self) -> None:
        self._open: dict[str, None] = {}

    def ended(self, context: str) -> None:
        self._open.pop(context, None)
        self._open[context] = None
        if len(self._open) > MOST:
            del self._open[next(iter(self._open))]

    def take(self, context: str) -> bool:
        """Whether a report on it is due; then no more."""
        due = context in self._open
        self._open.pop(context, None)
        return due
