"""`python -m streamer`: the command line."""

from __future__ import annotations

from streamer.cli import main

if __name__ == "__main__":
    main()
