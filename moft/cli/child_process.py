"""`moft` in a child process that ends with its parent, so that no run outlives a sweep that was killed."""

from __future__ import annotations

import os
import signal
import sys
import threading

from moft.cli import app


def main() -> int:
    """Runs `moft` until the standard input is closed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell start with interrupts ignored
    threading.Thread(target=_end_with_input, daemon=True).start()
    return app.main()


def _end_with_input() -> None:
    """Ends this process at once when its standard input is closed; its files are complete at any time."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
