"""Pictures of the page in its states, to be looked at: `python -m tests.js.pictures FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.js.test_playground import drive
from tests.js.tools import installed
from tests.server_process import running_server


def main(folder: Path) -> None:
    """Desktop, dark and phone, each empty, speaking, interrupted, with an error, and its other parts."""
    with running_server("hibari") as server:
        drive(installed(), f"{server.url}/", "pictures", folder=str(folder.absolute()))
    print(*sorted(path.name for path in folder.glob("*.png")), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
