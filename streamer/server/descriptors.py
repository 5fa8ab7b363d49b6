"""How many files and sockets this process may have open: enough for all connections that it lets in."""

from __future__ import annotations

import logging
import resource

from streamer.config import Settings

SPARE = 512
"""For what is no connection of these: database, files, engines, HTTP that only asks."""

log = logging.getLogger(__name__)


def allow_descriptors(settings: Settings) -> None:
    """Raise the soft limit (RLIMIT_NOFILE, 1024 in most shells) to what the settings may need, as far as
    the hard one goes; where that is not enough, say so in the log."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + settings.max_listeners + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    within = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (within, hard))
    if within < wanted:
        log.warning("too few file descriptors", extra={"limit": within, "wanted": wanted})
