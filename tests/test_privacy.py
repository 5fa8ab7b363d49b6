"""What runs here stays here: no library may keep an identity of this machine or report its use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_speaking_leaves_nothing_in_the_home_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "say", "Hello there.", "-o", "-", "--format", "pcm"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) > 24000
    assert list(tmp_path.iterdir()) == []
