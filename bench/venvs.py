"""Virtual environments of other projects' programs: made once, pinned, kept in a cache directory.

They never mix with ours: peers under GPL, models that need torch, clients with hundreds of packages.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def cache_directory() -> Path:
    """Where what is made once is kept between runs: `$BENCH_CACHE_DIR` or the user's cache."""
    named = os.environ.get("BENCH_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "streamer-bench"


def virtual_environment(name: str, requirements: Sequence[str]) -> Path:
    """The Python of an environment that holds exactly these pinned requirements; made if it is not
    there. One process makes it while others wait. Raises `subprocess.CalledProcessError`."""
    directory = cache_directory() / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    python = directory / "bin" / "python"
    stamp = directory / "requirements.txt"
    wanted = f"# Python {sys.version_info.major}.{sys.version_info.minor}\n"
    wanted += "\n".join(requirements) + "\n"
    with (directory.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return python
        print(f"Making the environment {name} in {directory} ...", file=sys.stderr, flush=True)
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*install, *requirements], check=True, stdout=sys.stderr)
        stamp.write_text(wanted, "utf-8")
    return python
